-- Devices that authenticate with a pre-shared key: registered by people, in groups that allow it.

alter table enrollment_group add column allows_psk boolean not null default false;

-- Such a device came with no manufacturer key, so that no manufacturer key can ever claim its id.
alter table device
  alter column record_id drop not null,
  alter column manufacturer_spki_sha256 drop not null,
  add check ((record_id is null) = (manufacturer_spki_sha256 is null));

create table device_psk (
  -- Its text is the PSK identity: a name for a key, sent in the clear and no secret.
  id uuid primary key,
  identity_sha256 sha256_hex not null unique,
  organization_id uuid not null,
  device_id uuid not null,
  state text not null check (state in ('issued', 'active', 'superseded', 'revoked')),
  -- Under the HSM's key-encryption key; gone with the right to use it.
  sealed_key bytea,
  created_at timestamptz(3) not null default now(),
  first_signed_in_at timestamptz(3),
  ended_at timestamptz(3),
  check ((state in ('issued', 'active')) = (sealed_key is not null)),
  check ((sealed_key is null) = (ended_at is not null)),
  foreign key (organization_id, device_id) references device (organization_id, id)
);
create index device_psk_device on device_psk (device_id);
create index device_psk_list on device_psk (organization_id, created_at desc, id desc);

-- A code for a device with a pre-shared key belongs to no provisioning record.
alter table onboarding_code alter column record_id drop not null;

alter table device_session
  alter column certificate_sha256 drop not null,
  add column psk_identity_sha256 sha256_hex,
  add check (num_nonnulls(certificate_sha256, psk_identity_sha256) = 1);
