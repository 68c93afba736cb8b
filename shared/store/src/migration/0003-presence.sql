-- Which device is where, what it publishes and reports, and what is asked of it.

create table gateway_instance (
  id text primary key check (length(id) between 1 and 100),
  coaps_uri text not null,
  started_at timestamptz(3) not null,
  lease_renewed_at timestamptz(3) not null default now(),
  retired_at timestamptz(3)
);

-- One row per device: its last session. Current while ended_at is null.
create table device_session (
  device_id uuid primary key references device,
  organization_id uuid not null references organization,
  gateway_id text not null references gateway_instance,
  association_id text not null,
  certificate_sha256 sha256_hex not null,
  remote text not null,
  sequence bigint not null,
  signed_in_at timestamptz(3) not null,
  last_contact_at timestamptz(3) not null,
  ended_at timestamptz(3),
  end_reason text check (end_reason in (
    'signed-out', 'association-closed', 'no-contact', 'token-expired', 'gateway-lost', 'gateway-stopped', 'deleted')),
  check ((ended_at is null) = (end_reason is null))
);
create index device_session_gateway on device_session (gateway_id) where ended_at is null;

create table resource_link (
  device_id uuid not null,
  href text not null check (href ~ '^/' and length(href) <= 512),
  organization_id uuid not null,
  resource_types text[] not null,
  interfaces text[] not null,
  relation text,
  policy integer,
  published_at timestamptz(3) not null default now(),
  -- Null: no end.
  expires_at timestamptz(3),
  primary key (device_id, href),
  foreign key (organization_id, device_id) references device (organization_id, id)
);

create table twin_resource (
  device_id uuid not null,
  href text not null check (href ~ '^/' and length(href) <= 512),
  organization_id uuid not null,
  representation jsonb not null,
  content_format integer not null,
  etag text,
  version bigint not null default 1,
  updated_at timestamptz(3) not null default now(),
  primary key (device_id, href),
  foreign key (organization_id, device_id) references device (organization_id, id)
);

create table command (
  id uuid primary key,
  organization_id uuid not null,
  device_id uuid not null,
  href text not null check (href ~ '^/' and length(href) <= 512),
  method text not null check (method in ('GET', 'POST')),
  payload jsonb not null,
  state text not null check (state in ('pending', 'sent', 'succeeded', 'refused', 'outcome-unknown', 'expired')),
  correlation_id text not null,
  created_at timestamptz(3) not null default clock_timestamp(),
  expires_at timestamptz(3) not null,
  gateway_id text references gateway_instance,
  sent_at timestamptz(3),
  finished_at timestamptz(3),
  coap_code text,
  representation jsonb,
  error_code text,
  check ((state in ('pending', 'sent')) = (finished_at is null)),
  check (state <> 'sent' or sent_at is not null),
  foreign key (organization_id, device_id) references device (organization_id, id)
);
create index command_waiting on command (device_id, created_at) where state = 'pending';
create index command_open on command (expires_at) where state in ('pending', 'sent');
create index command_list on command (device_id, created_at desc, id desc);
