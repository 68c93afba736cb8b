-- Organizations manage themselves: their name, the people in them, roles of their own, invitations.

alter table organization
  add column version integer not null default 1,
  add column updated_at timestamptz(3) not null default now();

-- Names that are in no table allow nothing, so that a role of a later version harms no earlier one.
alter table user_account drop constraint user_account_roles_check;
alter table user_account
  add column version integer not null default 1,
  add column email_verified_at timestamptz(3),
  add check (cardinality(roles) <= 16),
  add unique (organization_id, id);
update user_account set roles = array_replace(roles, 'viewer', 'member');
-- Until now an administrator was all that an owner is. The old role stays, for a version before this one that still runs.
update user_account set roles = array_append(roles, 'owner') where 'admin' = any(roles);
create index user_account_list on user_account (organization_id, created_at desc, id desc);

create table custom_role (
  organization_id uuid not null references organization,
  name text not null check (name ~ '^[a-z][a-z0-9-]{1,49}$'
    and name not in ('owner', 'admin', 'operator', 'manufacturer', 'auditor', 'member', 'viewer')),
  permissions text[] not null check (cardinality(permissions) <= 100),
  version integer not null default 1,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  primary key (organization_id, name)
);

create table invitation (
  id uuid primary key,
  organization_id uuid not null references organization,
  email text not null check (position('@' in email) > 0),
  roles text[] not null check (cardinality(roles) between 1 and 16),
  token_hash bytea not null unique check (length(token_hash) = 32),
  -- No reference: who invited may be gone.
  invited_by text not null,
  -- By mail, and then whoever has the token reads the address; or shown to the one who invited.
  delivery text not null check (delivery in ('mail', 'shown')),
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null check (expires_at > created_at and expires_at <= created_at + interval '30 days'),
  accepted_at timestamptz(3),
  user_id uuid,
  revoked_at timestamptz(3),
  check ((accepted_at is null) = (user_id is null)),
  check (num_nonnulls(accepted_at, revoked_at) <= 1)
);
create unique index invitation_one_open on invitation (organization_id, lower(email))
  where accepted_at is null and revoked_at is null;
create index invitation_list on invitation (organization_id, created_at desc, id desc);
