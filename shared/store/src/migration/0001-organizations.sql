-- Customers and their people, what the installation has once, the audit trail and the outbox.

create domain sha256_hex as text check (value ~ '^[0-9a-f]{64}$');

create table organization (
  id uuid primary key,
  name text not null check (length(name) between 1 and 200),
  -- Until organizations have a management of their own there is one: this key admits a single row that has it.
  is_first boolean unique check (is_first),
  created_at timestamptz(3) not null default now()
);

create table user_account (
  id uuid primary key,
  organization_id uuid not null references organization,
  email text not null check (position('@' in email) > 0),
  -- No '@', so that a username never passes for somebody's address.
  username text not null check (length(username) between 1 and 100 and position('@' in username) = 0),
  password_hash text not null,
  roles text[] not null default '{}'
    check (roles <@ array['admin', 'operator', 'viewer', 'auditor']),
  created_at timestamptz(3) not null default now()
);
create unique index user_account_email on user_account (lower(email));
create unique index user_account_username on user_account (lower(username));
create index user_account_organization on user_account (organization_id);

create table hub (
  hub_id uuid primary key,
  only_one boolean not null default true unique check (only_one),
  recorded_at timestamptz(3) not null default now()
);

create table certificate_authority (
  sha256 sha256_hex not null,
  role text not null check (role in ('installation-root', 'server', 'service', 'identity')),
  certificate_der bytea not null,
  key_id text,
  recorded_at timestamptz(3) not null default now(),
  primary key (sha256, role)
);

create table jwt_key (
  kid text primary key,
  public_jwk jsonb not null,
  sealed_private_key bytea not null,
  state text not null check (state in ('next', 'active', 'grace', 'retired')),
  created_at timestamptz(3) not null default now()
);
create unique index jwt_key_one_active on jwt_key (state) where state = 'active';

-- Append-only. Without an organization: of the installation, no single customer's.
create table audit_event (
  id uuid primary key,
  organization_id uuid references organization,
  type text not null check (type ~ '^[a-z-]+\.[a-z-]+$'),
  severity text not null check (severity in ('info', 'notice', 'warning')),
  outcome text not null check (outcome in ('succeeded', 'failed')),
  actor_kind text not null check (actor_kind in ('user', 'device', 'service', 'system')),
  actor_id text not null,
  actor_name text,
  address text,
  subject_kind text not null,
  subject_id text not null,
  correlation_id text not null check (length(correlation_id) between 1 and 128),
  details jsonb not null check (jsonb_typeof(details) = 'object'),
  occurred_at timestamptz(3) not null default clock_timestamp()
);
create index audit_event_trail on audit_event (organization_id, occurred_at desc, id desc);
create index audit_event_subject on audit_event (organization_id, subject_id, occurred_at desc, id desc);
create index audit_event_correlation on audit_event (correlation_id);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% refuses %: it is append-only', tg_table_name, tg_op using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_event_append_only before update or delete on audit_event
  for each row execute function refuse_change();
create trigger audit_event_no_truncate before truncate on audit_event
  for each statement execute function refuse_change();

-- What is told to others after the commit. Sequence order is not commit order: relays look for rows without published_at.
create table outbox (
  sequence bigint primary key generated always as identity,
  id uuid not null unique,
  topic text not null check (topic in (
    'device.registered', 'device.online', 'device.offline', 'device.changed', 'device.deleted',
    'resource.published', 'resource.unpublished', 'resource.changed',
    'command.pending', 'command.finished', 'provisioning.step',
    'group.created', 'group.changed', 'group.deleted')),
  organization_id uuid not null references organization,
  device_id uuid,
  correlation_id text not null,
  data jsonb not null,
  occurred_at timestamptz(3) not null default clock_timestamp(),
  published_at timestamptz(3)
);
create index outbox_unpublished on outbox (sequence) where published_at is null;
create index outbox_published on outbox (published_at) where published_at is not null;
