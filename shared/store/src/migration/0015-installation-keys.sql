-- Keys of the installation, each in one state of next → active → grace → retired (shared/keys has the rules). What signs now, and
-- what nobody believes any more, is the database's to say: of several processes that act at once one does.

create table installation_key (
  purpose text not null check (purpose in ('jwt')),
  key_id text not null check (length(key_id) between 1 and 100),
  -- Counts the keys of a purpose. A promotion names the one that it replaces: who comes second, or late, changes nothing.
  generation bigint not null check (generation > 0),
  public_jwk jsonb not null,
  -- Under the HSM's key-encryption key; gone as soon as it signs no more.
  sealed_private_key bytea,
  state text not null,
  created_at timestamptz(3) not null default clock_timestamp(),
  activated_at timestamptz(3),
  superseded_at timestamptz(3),
  -- The last token that it signed has ended by then.
  verifies_until timestamptz(3),
  retired_at timestamptz(3),
  retired_because text,
  primary key (purpose, key_id),
  unique (purpose, generation),
  constraint installation_key_state check (case state
    when 'next' then activated_at is null and superseded_at is null and retired_at is null
    when 'active' then activated_at is not null and superseded_at is null and retired_at is null
    when 'grace' then activated_at is not null and superseded_at is not null and retired_at is null
    when 'retired' then retired_at is not null
    else false end),
  constraint installation_key_times check (
    coalesce(activated_at >= created_at, true) and coalesce(superseded_at >= activated_at, superseded_at is null)
    and (superseded_at is null) = (verifies_until is null) and coalesce(verifies_until > superseded_at, true)
    and coalesce(retired_at >= coalesce(superseded_at, activated_at, created_at), true)),
  constraint installation_key_sealed check ((state in ('next', 'active')) = (sealed_private_key is not null)),
  constraint installation_key_reason check (
    (state = 'retired') = (retired_because is not null) and retired_because in ('lapsed', 'compromised'))
);
create unique index installation_key_one_active on installation_key (purpose) where state = 'active';
create unique index installation_key_one_next on installation_key (purpose) where state = 'next';

create function keep_key_lifecycle() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.state in ('next', 'active') then return new; end if;
    raise exception 'a key begins as next, or as the first active one, not as %', new.state using errcode = 'check_violation';
  end if;
  if (old.purpose, old.key_id, old.generation, old.public_jwk, old.created_at)
    is distinct from (new.purpose, new.key_id, new.generation, new.public_jwk, new.created_at) then
    raise exception 'a key does not become another' using errcode = 'check_violation';
  end if;
  if not (old.state, new.state) in (('next', 'active'), ('next', 'retired'), ('active', 'grace'), ('active', 'retired'), ('grace', 'retired')) then
    raise exception 'a key does not go from % to %', old.state, new.state using errcode = 'check_violation';
  end if;
  return new;
end
$$;
create trigger keep_key_lifecycle before insert or update on installation_key
  for each row execute function keep_key_lifecycle();

insert into installation_key (purpose, key_id, generation, public_jwk, sealed_private_key, state, created_at, activated_at)
select 'jwt', kid, row_number() over (order by created_at), public_jwk, sealed_private_key, state, created_at, created_at
from jwt_key where state = 'active';

-- For processes of the version before, which run until they are restarted; to be dropped with the next release.
drop table jwt_key;
create view jwt_key as select key_id as kid, public_jwk, sealed_private_key, state, created_at
from installation_key where purpose = 'jwt';
grant select on jwt_key to sallyport_control_plane;

grant select, insert, update (state, sealed_private_key, activated_at, superseded_at, verifies_until, retired_at, retired_because)
  on installation_key to sallyport_control_plane;
