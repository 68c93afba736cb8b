-- The one order in which events are delivered. Sequence order is not commit order, so a row gets its position after its commit,
-- from one counter that is locked meanwhile: whoever sees a position sees all before it, and there are no holes.
create table event_head (
  only_one boolean primary key default true check (only_one),
  position bigint not null
);
alter table outbox add column position bigint;
-- Of which enrollment group the device is, for who watches one group.
alter table outbox add column group_id uuid;
update outbox set position = numbered.position
  from (select sequence, row_number() over (order by sequence) as position from outbox) numbered
  where outbox.sequence = numbered.sequence;
insert into event_head (position) select coalesce(max(position), 0) from outbox;
create unique index outbox_position on outbox (position);
create index outbox_without_position on outbox (sequence) where position is null;
create index outbox_of_organization on outbox (organization_id, position);

grant select, update on event_head to sallyport_control_plane;
-- Who comes back reads what was missed, as its own organization.
grant select on outbox to sallyport_tenant;
