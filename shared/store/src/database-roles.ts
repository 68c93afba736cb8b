/**
 * What an administrator of the Postgres cluster does once, so that nothing of ours ever needs a superuser: the roles, the database,
 * and who may come in. As a script for psql; run again, it changes nothing.
 *
 * The migrations then run as the owner, who can neither make roles nor databases. He bypasses row-level security, which he could
 * switch off as owner of the tables anyway: a migration that changes rows has to see them.
 */

import { CodedError } from '@sallyport/errors'

const services = ['sallyport_control_plane', 'sallyport_dps', 'sallyport_gateway']
const tenant = 'sallyport_tenant'

/** All that the migrations grant rights to. */
export const databaseRoles: readonly string[] = [tenant, ...services]

/** @throws CodedError `validation-failed` for a name that is not of lower-case letters, digits and underscores. */
export function databaseRolesScript(names: { readonly database: string; readonly owner: string }): string {
  const { database, owner } = names
  // They go into the script as they are.
  for (const name of [database, owner]) {
    if (!/^[a-z_][a-z0-9_]{0,62}$/.test(name))
      throw new CodedError('validation-failed', `${name} is no name for a role or database.`)
  }
  const everybody = databaseRoles.join(', ')
  return `-- Roles and database of Sallyport: psql -X -v ON_ERROR_STOP=1 -f FILE, as an administrator of the cluster, once.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['${databaseRoles.join("', '")}'] loop
    if to_regrole(wanted) is null then execute format('create role %I nologin noinherit', wanted); end if;
  end loop;
  if to_regrole('${owner}') is null then create role ${owner} nologin bypassrls; end if;
end
$$;
grant ${tenant} to sallyport_control_plane, sallyport_gateway;

select 'create database ${database} owner ${owner}'
where not exists (select from pg_database where datname = '${database}') \\gexec
revoke all on database ${database} from public;
grant connect on database ${database} to ${services.join(', ')};

\\connect ${database}
alter schema public owner to ${owner};
revoke all on schema public from public;
grant usage on schema public to ${everybody};

-- Then let them log in, each with a password of its own, which psql asks for and sends hashed:
${[owner, ...services].map((role) => `--   alter role ${role} login;   \\password ${role}`).join('\n')}
`
}
