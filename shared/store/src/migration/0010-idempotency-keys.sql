-- What a caller wants done once, however often it asks: written in the transaction of the act itself.

create table idempotency_key (
  organization_id uuid not null references organization (id),
  caller_id text not null,
  key_sha256 sha256_hex not null,
  -- What was asked: the same key for something else is a mistake of the caller's.
  fingerprint sha256_hex not null,
  -- The request that did it, of all that came with the key.
  attempt uuid not null,
  subject_kind text not null,
  subject_id text not null,
  created_at timestamptz(3) not null default now(),
  -- The answer, sealed: it may hold what is shown once. Null until it was given.
  sealed_answer bytea,
  primary key (organization_id, caller_id, key_sha256)
);
create index idempotency_key_age on idempotency_key (created_at);
