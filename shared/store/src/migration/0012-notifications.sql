-- What people are told of: in the product, pushed to them alone, and by mail where they want it.

create table notification (
  id uuid primary key,
  organization_id uuid not null references organization,
  user_id uuid not null references user_account on delete cascade,
  kind text not null check (kind ~ '^[a-z]+(-[a-z]+)*$'),
  data jsonb not null check (jsonb_typeof(data) = 'object'),
  created_at timestamptz(3) not null default clock_timestamp(),
  read_at timestamptz(3)
);
create index notification_list on notification (user_id, created_at desc, id desc);
create index notification_unread on notification (user_id) where read_at is null;
create index notification_age on notification (created_at);

-- Where there is no row, the kind's own default holds.
create table notification_preference (
  user_id uuid not null references user_account on delete cascade,
  organization_id uuid not null references organization,
  kind text not null check (kind ~ '^[a-z]+(-[a-z]+)*$'),
  in_app boolean not null,
  mail boolean not null,
  primary key (user_id, kind)
);

-- From where somebody has logged in: an IPv4 address, or the /64 of an IPv6 one, whose rest changes by the day.
create table login_network (
  user_id uuid not null references user_account on delete cascade,
  organization_id uuid not null references organization,
  network cidr not null,
  last_login_at timestamptz(3) not null default clock_timestamp(),
  primary key (user_id, network)
);
create index login_network_age on login_network (last_login_at);

-- An event with a person in it is that person's alone.
alter table outbox add column user_id uuid;
alter table outbox drop constraint outbox_topic_check, add constraint outbox_topic_check check (topic in (
  'device.registered', 'device.online', 'device.offline', 'device.changed', 'device.deleted',
  'resource.published', 'resource.unpublished', 'resource.changed',
  'command.pending', 'command.finished', 'provisioning.step',
  'group.created', 'group.changed', 'group.deleted',
  'notification.created', 'notification.read'));
alter table outbox add constraint outbox_notification_has_person check ((topic like 'notification.%') = (user_id is not null));
