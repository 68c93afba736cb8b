-- What the audit trail tells of a person is encrypted under a key of that person, and each such key is sealed (HPKE) to a key whose
-- private half is in the control plane's HSM. Whose key is destroyed is not told of any more; the chain, which is over the sealed form,
-- stays as it is.

-- Public halves. Only the control plane, which has the private ones, adds to them; a key is never forgotten.
create table audit_opening_key (
  id text primary key check (id ~ '^[0-9a-f]{32}$'),
  spki bytea not null check (length(spki) = 91),
  recorded_at timestamptz(3) not null default clock_timestamp()
);
create trigger audit_opening_key_append_only before update or delete on audit_opening_key
  for each row execute function refuse_change();
create trigger audit_opening_key_no_truncate before truncate on audit_opening_key
  for each statement execute function refuse_change();

-- Each process that writes about a person makes a key of its own for that, since none of them can open another's.
create table audit_subject_key (
  id uuid primary key,
  organization_id uuid references organization,
  subject text not null check (length(subject) between 1 and 200),
  opening_key_id text references audit_opening_key,
  -- The encapsulated key of HPKE (65 bytes), then the ciphertext.
  sealed_key bytea,
  created_at timestamptz(3) not null default clock_timestamp(),
  erased_at timestamptz(3),
  check ((sealed_key is null) = (erased_at is not null)),
  check (sealed_key is null or opening_key_id is not null)
);
create index audit_subject_key_subject on audit_subject_key (subject, organization_id);

-- A key is destroyed and nothing else ever happens to it; a row stays, so that a process that still has the key cannot bring it back.
create function guard_subject_key() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and old.sealed_key is not null and new.sealed_key is null and new.erased_at is not null
    and (new.id, new.subject, new.created_at) = (old.id, old.subject, old.created_at)
    and new.organization_id is not distinct from old.organization_id
    and new.opening_key_id is not distinct from old.opening_key_id then
    return new;
  end if;
  raise exception '% refuses %: a key is destroyed or stays', tg_table_name, tg_op using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_subject_key_guarded before update or delete on audit_subject_key
  for each row execute function guard_subject_key();
create trigger audit_subject_key_no_truncate before truncate on audit_subject_key
  for each statement execute function refuse_change();

-- Of who was erased no key is kept any more: what was under way while it happened tells nothing either.
create function forget_erased_subject() returns trigger language plpgsql as $$
begin
  -- Writers about one person do not wait for each other, only for who erases them.
  perform pg_advisory_xact_lock_shared(hashtextextended('sallyport audit subject ' || new.subject, 0));
  if exists (select from audit_subject_key k where k.subject = new.subject
    and k.organization_id is not distinct from new.organization_id and k.erased_at is not null) then
    new.sealed_key := null;
    new.erased_at := coalesce(new.erased_at, clock_timestamp());
  end if;
  return new;
end
$$;
create trigger audit_subject_key_of_erased before insert on audit_subject_key
  for each row execute function forget_erased_subject();

select wall_off('audit_subject_key');
grant select on audit_opening_key to sallyport_control_plane, sallyport_dps, sallyport_gateway, sallyport_tenant;
grant insert on audit_opening_key to sallyport_control_plane;
grant select, insert on audit_subject_key to sallyport_control_plane, sallyport_tenant;
grant update (sealed_key, erased_at) on audit_subject_key to sallyport_control_plane;
grant select (subject, organization_id, erased_at), insert on audit_subject_key to sallyport_dps, sallyport_gateway;
