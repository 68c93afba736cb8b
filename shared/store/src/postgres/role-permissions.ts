/** What roles allow: the built-in ones by their table, an organization's own by its rows. */

import { CodedError } from '@sallyport/errors'
import {
  builtInRoles,
  isPermission,
  isRole,
  type Permission,
  permissionsBeyond,
  permissionsOf,
  permissionsWithin,
} from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { HeldMembership } from '../members.ts'
import type { Query } from './database.ts'
import { type Sql, sql } from './sql.ts'

/** What the own roles of a `membership m` allow, as an array. */
export const customPermissions: Sql = sql`array(
  select distinct p from custom_role r cross join unnest(r.permissions) as p
  where r.organization_id = m.organization_id and r.name = any(m.roles))`

/**
 * What each of these roles allows. The rows of own roles stay as they are until the transaction ends.
 * @throws CodedError `role-not-found`.
 */
export async function permissionsByRole(
  query: Query,
  organizationId: string,
  roles: readonly string[],
): Promise<ReadonlyMap<string, readonly Permission[]>> {
  const found = new Map<string, readonly Permission[]>()
  for (const role of roles) if (isRole(role)) found.set(role, builtInRoles[role])
  const own = roles.filter((role) => !isRole(role))
  if (own.length === 0) return found
  const rows = await query.rows<{ readonly name: string; readonly permissions: readonly string[] }>(sql`
    select name, permissions from custom_role
    where organization_id = ${organizationId} and name = any(${own}::text[]) order by name for share`)
  for (const { name, permissions } of rows) found.set(name, permissions.filter(isPermission))
  const missing = own.filter((role) => !found.has(role))
  if (missing.length === 0) return found
  throw new CodedError('role-not-found', `There is no role ${missing[0]}.`, { details: { roles: missing } })
}

/**
 * Memberships of one organization change one after the other, so that what was looked at still holds at the commit.
 * @throws CodedError `not-found`.
 */
export async function lockMemberships(query: Query, organizationId: string): Promise<void> {
  const row = await query.first(sql`select 1 as there from organization where id = ${organizationId} for no key update`)
  if (row === undefined) throw new CodedError('not-found', 'There is no such organization.')
}

/**
 * Nobody gives or takes what they do not have. Looked at anew in the transaction: the caller's roles may have changed since the
 * request was let in.
 * @param touched the permissions that are given or taken.
 * @throws CodedError `policy-violated`, policy `no-escalation`.
 */
export async function refuseEscalation(
  query: Query,
  organizationId: string,
  act: ActContext,
  touched: Iterable<Permission>,
): Promise<void> {
  if (act.actor.kind === 'system') return
  const held = await heldByActor(query, organizationId, act)
  const beyond = permissionsBeyond(held ?? new Set(), touched)
  if (beyond.length === 0) return
  throw new CodedError('policy-violated', `Only who has ${beyond.join(', ')} may give or take it.`, {
    details: { policy: 'no-escalation', permissions: beyond },
  })
}

/** An API key holds what its scopes say and whoever made it holds, as long as it is good. */
async function heldByActor(query: Query, organizationId: string, { actor }: ActContext) {
  if (actor.kind !== 'api-key') return heldPermissions(query, organizationId, actor.id)
  const key = await query.first<{ readonly madeBy: string; readonly scopes: readonly string[] }>(sql`
    select made_by as "madeBy", scopes from api_key
    where id = ${actor.id} and organization_id = ${organizationId} and revoked_at is null and expires_at > now()`)
  if (key === undefined) return undefined
  const held = await heldPermissions(query, organizationId, key.madeBy)
  return held === undefined ? undefined : permissionsWithin(held, key.scopes)
}

/** Undefined for who is no member. */
export async function heldPermissions(
  query: Query,
  organizationId: string,
  userId: string,
): Promise<ReadonlySet<Permission> | undefined> {
  return (await heldMembership(query, organizationId, userId))?.permissions
}

/** With which membership, and what it allows; undefined for who is no member. */
export async function heldMembership(
  query: Query,
  organizationId: string,
  userId: string,
): Promise<HeldMembership | undefined> {
  const row = await query.first<{
    readonly id: string
    readonly roles: readonly string[]
    readonly own: readonly string[]
  }>(sql`
    select m.id, m.roles, ${customPermissions} as own from membership m
    where m.user_id = ${userId} and m.organization_id = ${organizationId}`)
  return row === undefined ? undefined : { membershipId: row.id, permissions: permissionsOf(row.roles, row.own) }
}
