-- Who may enroll, who did, and which certificates, codes and tokens came of it.

create table enrollment_group (
  id uuid primary key,
  organization_id uuid not null references organization,
  name text not null check (length(name) between 1 and 200),
  state text not null check (state in ('pending-proof', 'active', 'disabled')),
  chain_pem text not null,
  lead_certificate_name text not null,
  expected_interval_seconds integer not null default 60 check (expected_interval_seconds between 1 and 604800),
  version integer not null default 1,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  -- Devices and records keep pointing at it.
  deleted_at timestamptz(3),
  unique (organization_id, id),
  unique (id, organization_id, state)
);
create index enrollment_group_list on enrollment_group (organization_id, created_at desc, id desc) where deleted_at is null;

create table enrollment_group_ca (
  group_id uuid not null,
  organization_id uuid not null,
  -- Follows the group by the foreign key, so that the index below can look at it.
  group_state text not null,
  position integer not null,
  sha256 sha256_hex not null,
  subject_sha256 sha256_hex not null,
  spki_sha256 sha256_hex not null,
  certificate_der bytea not null,
  common_name text not null,
  is_lead boolean not null,
  primary key (group_id, sha256),
  foreign key (group_id, organization_id, group_state) references enrollment_group (id, organization_id, state)
    on update cascade
);
-- An authority belongs to one group of one organization, as soon as the group is more than a claim.
create unique index enrollment_group_ca_one_owner on enrollment_group_ca (spki_sha256)
  where is_lead and group_state <> 'pending-proof';
create unique index enrollment_group_ca_one_lead on enrollment_group_ca (group_id) where is_lead;
create index enrollment_group_ca_subject on enrollment_group_ca (subject_sha256) where is_lead;

create table provisioning_record (
  -- UUIDv5 of the manufacturer key.
  id uuid primary key,
  organization_id uuid not null,
  group_id uuid not null,
  device_id uuid,
  manufacturer_spki_sha256 sha256_hex not null unique,
  manufacturer_certificate_pem text not null,
  manufacturer_common_name text,
  remote text not null,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  archived_at timestamptz(3),
  foreign key (organization_id, group_id) references enrollment_group (organization_id, id)
);
create index provisioning_record_list on provisioning_record (organization_id, updated_at desc, id desc)
  where archived_at is null;
create index provisioning_record_device on provisioning_record (device_id);

create table provisioning_step (
  record_id uuid not null references provisioning_record on delete cascade,
  step text not null check (step in ('time', 'ownership', 'cloud-configuration', 'credentials', 'acls')),
  organization_id uuid not null references organization,
  at timestamptz(3) not null,
  coap_code text not null check (coap_code ~ '^[2-5]\.[0-9]{2}$'),
  error_code text,
  detail text,
  attempts integer not null default 1,
  primary key (record_id, step)
);

create table device (
  id uuid primary key,
  organization_id uuid not null,
  group_id uuid not null,
  record_id uuid not null references provisioning_record,
  -- The key that claimed the id keeps it, also after the device was deleted.
  manufacturer_spki_sha256 sha256_hex not null,
  state text not null check (state in ('active', 'blocked', 'deleted')),
  name text not null,
  labels jsonb not null default '{}' check (jsonb_typeof(labels) = 'object'),
  registered_at timestamptz(3),
  -- Telemetry received before this is of an earlier life.
  forgotten_at timestamptz(3),
  version integer not null default 1,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  check (state <> 'deleted' or registered_at is null),
  foreign key (organization_id, group_id) references enrollment_group (organization_id, id),
  unique (organization_id, id)
);
create unique index device_one_per_key on device (manufacturer_spki_sha256) where state <> 'deleted';
create index device_list on device (organization_id, registered_at desc, id desc) where registered_at is not null;
create index device_labels on device using gin (labels jsonb_path_ops) where registered_at is not null;

-- An issuance from its announcement on; a certificate once it has bytes.
create table certificate (
  id uuid primary key,
  organization_id uuid not null references organization,
  device_id uuid not null references device,
  record_id uuid not null references provisioning_record,
  profile text not null,
  issuer_sha256 sha256_hex not null,
  serial_number text not null check (serial_number ~ '^([0-9a-f]{2}){1,20}$'),
  spki_sha256 sha256_hex not null,
  not_before timestamptz(3) not null,
  not_after timestamptz(3) not null check (not_after > not_before),
  state text not null check (state in ('intent', 'issued', 'active', 'superseded', 'revoked', 'failed')),
  certificate_der bytea,
  sha256 sha256_hex unique,
  failure_code text,
  started_at timestamptz(3) not null default now(),
  issued_at timestamptz(3),
  first_signed_in_at timestamptz(3),
  ended_at timestamptz(3),
  check ((state in ('intent', 'failed')) = (certificate_der is null)),
  check ((certificate_der is null) = (sha256 is null)),
  unique (issuer_sha256, serial_number)
);
create unique index certificate_one_intent on certificate (device_id, spki_sha256, profile) where state = 'intent';
create index certificate_device on certificate (device_id, issued_at desc);
create index certificate_intents on certificate (started_at) where state = 'intent';

create table device_token_family (
  id uuid primary key,
  organization_id uuid not null references organization,
  device_id uuid not null references device,
  generation integer not null default 1,
  -- Who used the token of the generation before: a repeat of it is good for that certificate alone.
  refreshed_by sha256_hex not null,
  created_at timestamptz(3) not null default now(),
  revoked_at timestamptz(3)
);
create index device_token_family_live on device_token_family (device_id) where revoked_at is null;

create table device_refresh_token (
  token_hash bytea primary key check (length(token_hash) = 32),
  family_id uuid not null references device_token_family on delete cascade,
  organization_id uuid not null references organization,
  generation integer not null,
  issued_at timestamptz(3) not null default clock_timestamp()
);
create index device_refresh_token_family on device_refresh_token (family_id, generation);

create table onboarding_code (
  code_hash bytea primary key check (length(code_hash) = 32),
  organization_id uuid not null references organization,
  device_id uuid not null references device,
  record_id uuid not null references provisioning_record,
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null check (expires_at <= created_at + interval '10 minutes'),
  redeemed_at timestamptz(3),
  redeemed_by sha256_hex,
  family_id uuid references device_token_family on delete cascade,
  check ((redeemed_at is null) = (redeemed_by is null)),
  check ((redeemed_at is null) = (family_id is null))
);
create index onboarding_code_device on onboarding_code (device_id);
create index onboarding_code_expiry on onboarding_code (expires_at);
