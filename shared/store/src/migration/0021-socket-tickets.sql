-- What opens one web socket, once: kept here rather than in Redis, which could neither promise "once" nor be asked while it is gone.
create table socket_ticket (
  ticket_sha256 sha256_hex primary key,
  organization_id uuid not null references organization,
  caller jsonb not null,
  expires_at timestamptz(3) not null
);
create index socket_ticket_age on socket_ticket (expires_at);
select wall_off('socket_ticket');
grant insert on socket_ticket to sallyport_tenant;
grant select, delete on socket_ticket to sallyport_control_plane;
