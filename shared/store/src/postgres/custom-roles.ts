import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { isPermission, isRole, type Permission } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { CustomRoleRecord, CustomRoles } from '../custom-roles.ts'
import type { Database, Query } from './database.ts'
import { violatesUnique } from './database-fault.ts'
import { lockMemberships, refuseEscalation } from './role-permissions.ts'
import { sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

interface RoleRow {
  readonly name: string
  readonly permissions: readonly string[]
  readonly createdAt: Instant
  readonly updatedAt: Instant
  readonly version: number
}

const columns = sql`name, permissions, created_at as "createdAt", updated_at as "updatedAt", version`

const mostRoles = 100

export class PostgresCustomRoles implements CustomRoles {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async list(organizationId: string): Promise<readonly CustomRoleRecord[]> {
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<RoleRow>(sql`
        select ${columns} from custom_role where organization_id = ${organizationId} order by name limit ${mostRoles}`),
    )
    return rows.map(toRecord)
  }

  async read(organizationId: string, name: string): Promise<CustomRoleRecord | undefined> {
    const row = await this.#database.of(organizationId).read((query) =>
      query.first<RoleRow>(sql`
        select ${columns} from custom_role where organization_id = ${organizationId} and name = ${name}`),
    )
    return row === undefined ? undefined : toRecord(row)
  }

  create(
    organizationId: string,
    { name, permissions }: Parameters<CustomRoles['create']>[1],
    act: ActContext,
  ): Promise<CustomRoleRecord> {
    return this.#database.of(organizationId).transaction(async (query) => {
      await lockMemberships(query, organizationId)
      if (isRole(name)) throw new CodedError('conflict', `${name} is a built-in role.`)
      await refuseEscalation(query, organizationId, act, permissions)
      const row = await insert(query, organizationId, name, sorted(permissions))
      await this.#record.audit(query, act, {
        type: 'role.created',
        organizationId,
        subjectId: name,
        details: { permissions: row.permissions },
      })
      return toRecord(row)
    })
  }

  change(
    organizationId: string,
    name: string,
    permissions: readonly Permission[],
    expectedVersion: number | undefined,
    act: ActContext,
  ): Promise<CustomRoleRecord> {
    return this.#database.of(organizationId).transaction(async (query) => {
      const before = await lockRole(query, organizationId, name, expectedVersion)
      const touched = [
        ...permissions.filter((permission) => !before.permissions.includes(permission)),
        ...before.permissions.filter(isPermission).filter((permission) => !permissions.includes(permission)),
      ]
      await refuseEscalation(query, organizationId, act, touched)
      const row = await query.first<RoleRow>(sql`
        update custom_role set permissions = ${sorted(permissions)}::text[], version = version + 1, updated_at = now()
        where organization_id = ${organizationId} and name = ${name} returning ${columns}`)
      if (row === undefined) throw new CodedError('internal', 'a role that was just read is not there')
      await this.#record.audit(query, act, {
        type: 'role.changed',
        organizationId,
        subjectId: name,
        details: { before: before.permissions, permissions: row.permissions, version: row.version },
      })
      await this.#record.notify(query, 'access_changed', { organizationId })
      return toRecord(row)
    })
  }

  async delete(
    organizationId: string,
    name: string,
    expectedVersion: number | undefined,
    act: ActContext,
  ): Promise<void> {
    await this.#database.of(organizationId).transaction(async (query) => {
      const { permissions } = await lockRole(query, organizationId, name, expectedVersion)
      await refuseEscalation(query, organizationId, act, permissions.filter(isPermission))
      const used = await query.first(sql`
        select 1 as used from membership where organization_id = ${organizationId} and ${name} = any(roles)
        union all
        select 1 from invitation where organization_id = ${organizationId} and ${name} = any(roles)
          and accepted_at is null and revoked_at is null and expires_at > now()
        limit 1`)
      if (used !== undefined) throw new CodedError('conflict', 'Somebody has the role, or is invited to it.')
      await query.run(sql`delete from custom_role where organization_id = ${organizationId} and name = ${name}`)
      await this.#record.audit(query, act, {
        type: 'role.deleted',
        organizationId,
        subjectId: name,
        details: { permissions },
      })
    })
  }
}

const sorted = (permissions: readonly Permission[]): readonly Permission[] => [...new Set(permissions)].sort()

const toRecord = (row: RoleRow): CustomRoleRecord => ({ ...row, permissions: row.permissions.filter(isPermission) })

async function insert(
  query: Query,
  organizationId: string,
  name: string,
  permissions: readonly Permission[],
): Promise<RoleRow> {
  const count = await query.first<{ readonly count: number }>(
    sql`select count(*) as count from custom_role where organization_id = ${organizationId}`,
  )
  if ((count?.count ?? 0) >= mostRoles) {
    throw new CodedError('conflict', `An organization has at most ${mostRoles} roles of its own.`)
  }
  try {
    const row = await query.first<RoleRow>(sql`
      insert into custom_role (organization_id, name, permissions)
      values (${organizationId}, ${name}, ${permissions}::text[]) returning ${columns}`)
    if (row === undefined) throw new CodedError('internal', 'a role that was just written is not there')
    return row
  } catch (error) {
    if (!violatesUnique(error, 'custom_role_pkey')) throw error
    throw new CodedError('conflict', `There is a role ${name} already.`, { cause: error })
  }
}

/** With the memberships: whoever gives the role at the same time waits, and then finds it as it is. */
async function lockRole(
  query: Query,
  organizationId: string,
  name: string,
  expectedVersion: number | undefined,
): Promise<RoleRow> {
  await lockMemberships(query, organizationId)
  const row = await query.first<RoleRow>(sql`
    select ${columns} from custom_role where organization_id = ${organizationId} and name = ${name} for update`)
  if (row === undefined) throw new CodedError('not-found', 'There is no such role of the organization’s own.')
  if (expectedVersion !== undefined && row.version !== expectedVersion) {
    throw new CodedError('precondition-failed', `The role has version ${row.version}, not ${expectedVersion}.`)
  }
  return row
}
