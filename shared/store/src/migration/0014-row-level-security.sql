-- The second wall between organizations: what is one organization's is read and written under a role that owns no table, by
-- policies that know the organization of the transaction (`set local sallyport.organization`). Without one there are no rows.

-- Each service logs in as a role of its own, which sees all organizations where its work is mixed, and has no more rights than
-- that work needs; for what is one organization's it becomes `sallyport_tenant`. None of them owns anything. They cannot log in
-- until the operator gives them a password. Roles are the cluster's: another database of it may have made them already.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['sallyport_tenant', 'sallyport_control_plane', 'sallyport_dps', 'sallyport_gateway'] loop
    begin
      -- Without inheritance: what `sallyport_tenant` may is not what its members may. An owner who may make no roles finds them made.
      if to_regrole(wanted) is null then execute format('create role %I nologin noinherit', wanted); end if;
    exception when duplicate_object or unique_violation then null;
    end;
  end loop;
  foreach wanted in array array['sallyport_control_plane', 'sallyport_gateway'] loop
    begin
      if not pg_has_role(wanted, 'sallyport_tenant', 'member') then execute format('grant sallyport_tenant to %I', wanted); end if;
    exception when unique_violation then null;
    end;
  end loop;
end
$$;

create function present_organization() returns uuid language sql stable parallel safe
  return nullif(current_setting('sallyport.organization', true), '')::uuid;

-- Who writes an audit event need not be able to write to the queue of the sealer.
alter function queue_for_sealing() security definer set search_path = public, pg_temp;

-- The months of telemetry: the present one and the next. Made by whoever tidies, who owns no table. What fits none is in
-- `telemetry_other`, and where rows of a month are there already (a device's clock ran ahead) they stay there, all of the month.
create function make_telemetry_partitions() returns void language plpgsql security definer
  set search_path = public, pg_temp as $$
declare
  month timestamp;
  name text;
begin
  for month in select generate_series(date_trunc('month', now() at time zone 'UTC'),
    date_trunc('month', now() at time zone 'UTC') + interval '1 month', interval '1 month')
  loop
    name := to_char(month, '"telemetry_"YYYY_MM');
    continue when to_regclass(name) is not null;
    begin
      execute format('create table if not exists %I partition of telemetry for values from (%L) to (%L)', name,
        to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
    exception when check_violation then null;
    end;
  end loop;
end
$$;
revoke execute on function make_telemetry_partitions() from public;
grant execute on function make_telemetry_partitions() to sallyport_control_plane;

-- For a table with `organization_id`; each later migration that makes one calls it, and grants what is needed.
create function wall_off(tenant_table regclass) returns void language plpgsql as $$
begin
  execute format('alter table %s enable row level security, force row level security', tenant_table);
  execute format('create policy own_organization on %s to sallyport_tenant
    using (organization_id = present_organization()) with check (organization_id = present_organization())', tenant_table);
  execute format('create policy mixed_work on %s to sallyport_control_plane, sallyport_dps, sallyport_gateway
    using (true) with check (true)', tenant_table);
end
$$;
select wall_off(tenant_table::regclass) from unnest(array[
  'user_account', 'custom_role', 'invitation', 'idempotency_key', 'job', 'notification', 'notification_preference', 'login_network', 'audit_event', 'outbox', 'enrollment_group',
  'enrollment_group_ca', 'provisioning_record', 'provisioning_step', 'device', 'device_psk', 'certificate',
  'device_token_family', 'device_refresh_token', 'onboarding_code', 'device_session', 'resource_link', 'twin_resource',
  'command', 'telemetry']) as tenant_table;
alter table organization enable row level security, force row level security;
create policy own_organization on organization to sallyport_tenant
  using (id = present_organization()) with check (id = present_organization());
create policy mixed_work on organization to sallyport_control_plane using (true) with check (true);

-- What people do with what is their organization's, and nothing else. Secrets are written and not read.
grant select, update on organization to sallyport_tenant;
grant select (id, organization_id, email, username, roles, version, created_at, email_verified_at), insert, update, delete
  on user_account to sallyport_tenant;
grant select, insert, update, delete on custom_role to sallyport_tenant;
grant select (id, organization_id, email, roles, invited_by, delivery, created_at, expires_at, accepted_at, user_id, revoked_at),
  insert, update on invitation to sallyport_tenant;
grant select, insert on audit_event to sallyport_tenant;
grant insert on outbox to sallyport_tenant;
grant select, insert, update on idempotency_key, enrollment_group, device to sallyport_tenant;
grant select, insert, delete on enrollment_group_ca to sallyport_tenant;
grant select, update on provisioning_record, certificate, device_token_family, device_session to sallyport_tenant;
grant select, update on notification to sallyport_tenant;
grant select, insert, update on notification_preference to sallyport_tenant;
grant select on provisioning_step, telemetry, gateway_instance to sallyport_tenant;
grant select (id, identity_sha256, organization_id, device_id, state, created_at, first_signed_in_at, ended_at), insert, update
  on device_psk to sallyport_tenant;
grant select, delete on device_refresh_token, resource_link, twin_resource to sallyport_tenant;
grant select, insert, delete on onboarding_code, command to sallyport_tenant;
-- A job's payload may hold codes: who runs jobs reads it, and nobody else.
grant select (id, organization_id, kind, about, state, attempts, run_at, last_error_code, last_error, correlation_id, created_at,
  last_attempt_at, finished_at), insert, update on job to sallyport_tenant;

-- What all services do. A row lock needs the right to change a column: where a row is only locked, it is `updated_at`.
grant select on schema_migration, hub to sallyport_control_plane, sallyport_dps, sallyport_gateway;
grant insert on audit_event, outbox to sallyport_control_plane, sallyport_dps, sallyport_gateway;

-- Log-ins, tokens, codes, keys, the relay of events, the sweeper and the housekeeping.
grant select, insert on organization, user_account, jwt_key to sallyport_control_plane;
grant select on custom_role, invitation, enrollment_group to sallyport_control_plane;
grant select, update, delete on outbox to sallyport_control_plane;
grant select, insert, delete on sealing_key to sallyport_control_plane;
grant select, insert, update, delete on onboarding_code, job, login_network to sallyport_control_plane;
grant select, insert, delete on notification to sallyport_control_plane;
grant select on notification_preference to sallyport_control_plane;
grant select, update (updated_at) on provisioning_record to sallyport_control_plane;
grant select, update (registered_at, updated_at) on device to sallyport_control_plane;
grant select, update (ended_at) on certificate, device_psk to sallyport_control_plane;
grant select, insert, update on device_token_family to sallyport_control_plane;
grant select, insert, delete on device_refresh_token to sallyport_control_plane;
grant select, update on device_session, command to sallyport_control_plane;
grant select on gateway_instance to sallyport_control_plane;
grant select, delete on telemetry, admission_failure, association_mark, idempotency_key to sallyport_control_plane;

-- Provisioning, issuing, and the sealing of the audit trail.
grant select, insert, update on provisioning_record, device, certificate to sallyport_dps;
grant select, insert, update, delete on provisioning_step to sallyport_dps;
grant select on enrollment_group, enrollment_group_ca, gateway_instance, audit_event to sallyport_dps;
grant select, insert on certificate_authority, audit_chain, audit_head, audit_head_key to sallyport_dps;
grant select, delete on audit_unsealed to sallyport_dps;
grant select, insert, update on admission_failure to sallyport_dps;

-- Devices that are there: sessions, resources, twins, commands, telemetry.
grant insert on hub to sallyport_gateway;
grant select, insert, update on gateway_instance, gateway_shard, association_mark, device_session, admission_failure
  to sallyport_gateway;
grant select on enrollment_group, certificate_authority to sallyport_gateway;
grant select, update (updated_at) on device to sallyport_gateway;
grant select, update (state, first_signed_in_at, ended_at) on certificate to sallyport_gateway;
grant select (id, identity_sha256, organization_id, device_id, state, created_at, first_signed_in_at, ended_at),
  update (state, sealed_key, first_signed_in_at, ended_at) on device_psk to sallyport_gateway;
grant select, insert, update, delete on resource_link, twin_resource to sallyport_gateway;
grant select, update on command to sallyport_gateway;
grant select, insert, update on telemetry to sallyport_gateway;
