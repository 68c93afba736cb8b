-- Measurements, and counts of failed admissions. Telemetry is its own record: neither audited nor announced.

create table telemetry (
  device_id uuid not null,
  name text not null,
  at timestamptz(3) not null,
  organization_id uuid not null,
  number_value double precision,
  text_value text,
  boolean_value boolean,
  bytes_value bytea,
  unit text,
  received_at timestamptz(3) not null default now(),
  primary key (device_id, name, at),
  check (num_nonnulls(number_value, text_value, boolean_value, bytes_value) = 1)
) partition by range (at);
-- For devices whose clock is far off; the months are made as they come.
create table telemetry_other partition of telemetry default;

create table admission_failure (
  prefix text not null,
  reason text not null,
  minute timestamptz(3) not null,
  count bigint not null check (count > 0),
  primary key (minute, prefix, reason)
);
