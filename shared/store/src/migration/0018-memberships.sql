-- A person is in any number of organizations, with roles in each. `user_account` is the person: `organization_id` in it is
-- the organization where they were last, in which the next log-in begins. A version before this one, which may still run, takes
-- it for the only one and finds the roles beside it: triggers keep both alike until a later migration drops those columns.

create table membership (
  organization_id uuid not null references organization,
  -- Not cascading: who is in another organization too is not deleted by one that knows nothing of it.
  user_id uuid not null references user_account,
  -- Another one each time that somebody joins: what was issued to who had been removed stays void when they come back.
  -- The first one of each person is their own id, which is what tokens without one mean.
  id uuid not null,
  -- Names that are in no table allow nothing.
  roles text[] not null check (cardinality(roles) <= 16),
  version integer not null default 1,
  created_at timestamptz(3) not null default now(),
  primary key (organization_id, user_id)
);
create index membership_list on membership (organization_id, created_at desc, user_id desc);
create index membership_person on membership (user_id, created_at desc, organization_id desc);

-- The owner of the tables need not see through row-level security for this.
alter table user_account no force row level security;
insert into membership (organization_id, user_id, id, roles, version, created_at)
  select organization_id, id, id, roles, version, created_at from user_account;
-- Whoever has an account is somewhere: at the commit, so that each can be written first.
alter table user_account add constraint user_account_member foreign key (organization_id, id)
  references membership (organization_id, user_id) deferrable initially deferred;
alter table user_account force row level security;

create function membership_of_account() returns trigger language plpgsql as $$
begin
  insert into membership (organization_id, user_id, id, roles, version, created_at)
    values (new.organization_id, new.id, new.id, new.roles, new.version, new.created_at)
    on conflict (organization_id, user_id) do update set roles = excluded.roles, version = excluded.version
      where (membership.roles, membership.version) is distinct from (excluded.roles, excluded.version);
  return null;
end
$$;
create trigger membership_of_account after insert or update of roles, version on user_account
  for each row execute function membership_of_account();

create function account_of_membership() returns trigger language plpgsql as $$
begin
  update user_account set roles = new.roles, version = new.version
    where id = new.user_id and organization_id = new.organization_id
      and (roles, version) is distinct from (new.roles, new.version);
  return null;
end
$$;
create trigger account_of_membership after update of roles, version on membership
  for each row execute function account_of_membership();

create function leave_with_account() returns trigger language plpgsql as $$
begin
  delete from membership where user_id = old.id and organization_id = old.organization_id;
  return old;
end
$$;
create trigger leave_with_account before delete on user_account for each row execute function leave_with_account();

select wall_off('membership');
-- A person is seen by each organization that they are in; an account is made, and its roles are changed by an earlier version,
-- in its own alone.
drop policy own_organization on user_account;
create policy own_people on user_account for select to sallyport_tenant using (
  organization_id = present_organization()
  or exists (select from membership m where m.user_id = user_account.id and m.organization_id = present_organization()));
create policy own_accounts on user_account for update to sallyport_tenant
  using (organization_id = present_organization()) with check (organization_id = present_organization());
create policy new_accounts on user_account for insert to sallyport_tenant
  with check (organization_id = present_organization());
create policy ended_accounts on user_account for delete to sallyport_tenant
  using (organization_id = present_organization());
-- Nobody's password and nobody's address are changed in one organization's scope.
revoke update on user_account from sallyport_tenant;
grant update (roles, version) on user_account to sallyport_tenant;
grant select, insert, update, delete on membership to sallyport_tenant;
grant select, insert, update, delete on membership to sallyport_control_plane;
grant update (organization_id, roles, version, email_verified_at), delete on user_account to sallyport_control_plane;

-- What a member was told in an organization ends with the membership.
alter table notification add foreign key (organization_id, user_id) references membership on delete cascade;

-- Each organization's own, in the place of `notification_preference`, which a version before this one still writes.
create table member_notification_preference (
  organization_id uuid not null,
  user_id uuid not null,
  kind text not null check (kind ~ '^[a-z]+(-[a-z]+)*$'),
  in_app boolean not null,
  mail boolean not null,
  primary key (organization_id, user_id, kind),
  foreign key (organization_id, user_id) references membership on delete cascade
);
alter table notification_preference no force row level security;
insert into member_notification_preference (organization_id, user_id, kind, in_app, mail)
  select organization_id, user_id, kind, in_app, mail from notification_preference;
alter table notification_preference force row level security;
create function preference_of_member() returns trigger language plpgsql as $$
begin
  insert into member_notification_preference (organization_id, user_id, kind, in_app, mail)
    values (new.organization_id, new.user_id, new.kind, new.in_app, new.mail)
    on conflict (organization_id, user_id, kind) do update set in_app = excluded.in_app, mail = excluded.mail;
  return null;
end
$$;
create trigger preference_of_member after insert or update on notification_preference
  for each row execute function preference_of_member();
select wall_off('member_notification_preference');
grant select, insert, update on member_notification_preference to sallyport_tenant;
grant select on member_notification_preference to sallyport_control_plane;

-- Who made it; nobody in particular for the first one. No reference: they may be gone.
alter table organization add column created_by uuid;
create index organization_created_by on organization (created_by) where created_by is not null;
-- An organization is made for an `Idempotency-Key` of another one's.
grant insert on idempotency_key to sallyport_control_plane;
