-- Of each association, the newest record of the device that has had an effect: whoever goes on with an old copy of the association
-- refuses what was sent before, so that a record that somebody captured and plays back has no second effect.
create table association_mark (
  association_id text primary key check (association_id ~ '^[0-9a-f]{16}$'),
  record_sequence bigint not null check (record_sequence >= 0),
  updated_at timestamptz(3) not null default clock_timestamp()
);
create index association_mark_age on association_mark (updated_at);
