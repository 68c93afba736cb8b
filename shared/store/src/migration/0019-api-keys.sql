-- API keys: what a program shows instead of a person's token. Only a hash of each is kept.

create table api_key (
  id uuid primary key,
  organization_id uuid not null references organization,
  name text not null check (length(name) between 1 and 100),
  -- No reference: whoever made it may be gone, and then it is revoked.
  made_by uuid not null,
  -- With which they were in the organization then: who comes back has another one, and this key stays void.
  membership_id uuid not null,
  key_sha256 bytea not null check (length(key_sha256) = 32),
  -- What it may do at most; never more than whoever made it may do at that moment.
  scopes text[] not null check (cardinality(scopes) between 1 and 100),
  -- Empty: from anywhere.
  allowed_addresses cidr[] not null default '{}' check (cardinality(allowed_addresses) <= 50),
  -- Null: as many as a person.
  requests_per_minute integer check (requests_per_minute between 1 and 1000000),
  version integer not null default 1,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null check (expires_at > created_at and expires_at <= created_at + interval '366 days'),
  revoked_at timestamptz(3),
  -- Written once a minute at most, so that a busy key is no hot row.
  last_used_at timestamptz(3),
  last_used_address inet
);
create index api_key_list on api_key (organization_id, created_at desc, id desc);
create index api_key_maker on api_key (organization_id, made_by) where revoked_at is null;
select wall_off('api_key');
grant select (id, organization_id, name, made_by, scopes, allowed_addresses, requests_per_minute, version, created_at, updated_at,
  expires_at, revoked_at, last_used_at, last_used_address), insert, update on api_key to sallyport_tenant;
grant select, update (last_used_at, last_used_address), delete on api_key to sallyport_control_plane;

-- It only lets in more than before: what is there need not be looked at.
alter table audit_event drop constraint audit_event_actor_kind_check;
alter table audit_event add constraint audit_event_actor_kind_check
  check (actor_kind in ('user', 'api-key', 'device', 'service', 'system')) not valid;

-- To show that one reads mail to one's address: one token for each person, the last that was asked for.
create table email_verification (
  user_id uuid primary key references user_account on delete cascade,
  organization_id uuid not null references organization,
  id uuid not null unique,
  email text not null,
  token_hash bytea not null unique check (length(token_hash) = 32),
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null check (expires_at > created_at and expires_at <= created_at + interval '1 day')
);
select wall_off('email_verification');
grant select, insert, update, delete on email_verification to sallyport_control_plane;
