-- The audit trail, chained: who changes a row of it breaks a hash. One sealer gives each committed event its place.

-- Events without a place. A queue and no cursor: the order of commits is not the order of ids.
create table audit_unsealed (
  event_id uuid primary key references audit_event
);

create function queue_for_sealing() returns trigger language plpgsql as $$
begin
  insert into audit_unsealed select id from inserted;
  return null;
end
$$;
create trigger audit_event_queued after insert on audit_event
  referencing new table as inserted for each statement execute function queue_for_sealing();
insert into audit_unsealed select id from audit_event;

create table audit_chain (
  sequence bigint primary key check (sequence > 0),
  event_id uuid not null unique references audit_event,
  event_sha256 bytea not null check (length(event_sha256) = 32),
  sha256 bytea not null check (length(sha256) = 32),
  sealed_at timestamptz(3) not null default clock_timestamp(),
  unique (sequence, sha256)
);

-- Keys in the HSM that have signed heads. A key is never forgotten: what it signed must stay provable.
create table audit_head_key (
  id text primary key check (id ~ '^[0-9a-f]{32}$'),
  spki bytea not null,
  recorded_at timestamptz(3) not null default clock_timestamp()
);

create table audit_head (
  sequence bigint not null,
  sha256 bytea not null,
  signed_at timestamptz(3) not null,
  key_id text not null references audit_head_key,
  signature bytea not null,
  primary key (sequence, signed_at),
  foreign key (sequence, sha256) references audit_chain (sequence, sha256)
);

create trigger audit_chain_append_only before update or delete on audit_chain
  for each row execute function refuse_change();
create trigger audit_chain_no_truncate before truncate on audit_chain
  for each statement execute function refuse_change();
create trigger audit_head_append_only before update or delete on audit_head
  for each row execute function refuse_change();
create trigger audit_head_no_truncate before truncate on audit_head
  for each statement execute function refuse_change();
create trigger audit_head_key_append_only before update or delete on audit_head_key
  for each row execute function refuse_change();
create trigger audit_head_key_no_truncate before truncate on audit_head_key
  for each statement execute function refuse_change();
