import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { isRole, type Permission } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { MemberRecord, Members } from '../members.ts'
import type { Page, PageRequest } from '../page.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database, Query } from './database.ts'
import { heldPermissions, lockMemberships, permissionsByRole, refuseEscalation } from './role-permissions.ts'
import { present } from './row.ts'
import { allOf, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

export interface MemberRow extends Omit<MemberRecord, 'emailVerifiedAt'> {
  readonly emailVerifiedAt: Instant | null
}

export const memberColumns = sql`id, organization_id as "organizationId", email, username, roles, created_at as "createdAt",
  email_verified_at as "emailVerifiedAt", version`

export class PostgresMembers implements Members {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async list(organizationId: string, request: PageRequest): Promise<Page<MemberRecord>> {
    const window = pageWindow(request)
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<MemberRow>(sql`
        select ${memberColumns} from user_account
        where ${allOf([
          sql`organization_id = ${organizationId}`,
          beforeCursor(window, { at: sql`created_at`, id: sql`id` }),
        ])}
        order by created_at desc, id desc limit ${window.limit + 1}`),
    )
    return toPage(rows, window, (row) => ({ at: row.createdAt, id: row.id }), toMember)
  }

  async read(organizationId: string, userId: string): Promise<MemberRecord | undefined> {
    const row = await this.#database.of(organizationId).read((query) =>
      query.first<MemberRow>(sql`
        select ${memberColumns} from user_account where id = ${userId} and organization_id = ${organizationId}`),
    )
    return row === undefined ? undefined : toMember(row)
  }

  permissions(organizationId: string, userId: string): Promise<ReadonlySet<Permission> | undefined> {
    return this.#database.of(organizationId).read((query) => heldPermissions(query, organizationId, userId))
  }

  changeRoles(
    organizationId: string,
    userId: string,
    roles: readonly string[],
    expectedVersion: number | undefined,
    act: ActContext,
  ): Promise<MemberRecord> {
    return this.#database.of(organizationId).transaction(async (query) => {
      await lockMemberships(query, organizationId)
      const before = await readMember(query, organizationId, userId)
      if (expectedVersion !== undefined && before.version !== expectedVersion) {
        throw new CodedError('precondition-failed', `The member has version ${before.version}, not ${expectedVersion}.`)
      }
      const wanted = [...new Set(roles)].sort()
      const given = wanted.filter((role) => !before.roles.includes(role))
      const taken = before.roles.filter((role) => !wanted.includes(role))
      const allowed = await permissionsByRole(query, organizationId, given)
      const lost = await permissionsOfTaken(query, organizationId, taken)
      await refuseEscalation(query, organizationId, act, [...[...allowed.values()].flat(), ...lost])
      if (taken.includes('owner')) await refuseWithoutOwner(query, organizationId, userId)
      const changed = await query.first<MemberRow>(sql`
        update user_account set roles = ${wanted}::text[], version = version + 1
        where id = ${userId} and organization_id = ${organizationId} returning ${memberColumns}`)
      if (changed === undefined) throw new CodedError('internal', 'a member that was just read is not there')
      const revokedInvitations = await revokeInvitationsOf(query, organizationId, userId)
      await this.#record.audit(query, act, {
        type: 'user.roles-changed',
        organizationId,
        subjectId: userId,
        details: { username: before.username, before: before.roles, roles: wanted, revokedInvitations },
      })
      await this.#record.notify(query, 'access_changed', { organizationId, userId })
      return toMember(changed)
    })
  }

  async remove(organizationId: string, userId: string, act: ActContext): Promise<void> {
    await this.#database.of(organizationId).transaction(async (query) => {
      await lockMemberships(query, organizationId)
      const { username, roles } = await readMember(query, organizationId, userId)
      // Everybody may leave.
      if (userId !== act.actor.id) {
        await refuseEscalation(query, organizationId, act, await permissionsOfTaken(query, organizationId, roles))
      }
      if (roles.includes('owner')) await refuseWithoutOwner(query, organizationId, userId)
      await query.run(sql`delete from user_account where id = ${userId} and organization_id = ${organizationId}`)
      const revokedInvitations = await revokeInvitationsOf(query, organizationId, userId)
      await this.#record.audit(query, act, {
        type: 'user.removed',
        organizationId,
        subjectId: userId,
        details: { username, roles, revokedInvitations },
      })
      await this.#record.notify(query, 'access_changed', { organizationId, userId })
    })
  }
}

export const toMember = ({ emailVerifiedAt, ...row }: MemberRow): MemberRecord => ({
  ...row,
  ...present({ emailVerifiedAt }),
})

async function readMember(query: Query, organizationId: string, userId: string): Promise<MemberRow> {
  const row = await query.first<MemberRow>(sql`
    select ${memberColumns} from user_account where id = ${userId} and organization_id = ${organizationId} for update`)
  if (row === undefined) throw new CodedError('not-found', 'There is no such member.')
  return row
}

/** A role that is not there any more allows nothing, and whoever has it may lose it. */
async function permissionsOfTaken(
  query: Query,
  organizationId: string,
  roles: readonly string[],
): Promise<readonly Permission[]> {
  const known = await query.rows<{ readonly name: string }>(sql`
    select name from custom_role where organization_id = ${organizationId} and name = any(${roles}::text[])`)
  const names = new Set(known.map(({ name }) => name))
  const found = await permissionsByRole(
    query,
    organizationId,
    roles.filter((role) => names.has(role) || isRole(role)),
  )
  return [...found.values()].flat()
}

/** Under the lock of `lockMemberships`, so that of two who go at once the second sees that the first is gone. */
async function refuseWithoutOwner(query: Query, organizationId: string, leaving: string): Promise<void> {
  const other = await query.first(sql`
    select 1 as there from user_account
    where organization_id = ${organizationId} and id <> ${leaving} and 'owner' = any(roles) limit 1`)
  if (other !== undefined) return
  throw new CodedError('policy-violated', 'An organization keeps an owner: make somebody else one first.', {
    details: { policy: 'last-owner' },
  })
}

/** @returns how many. */
const revokeInvitationsOf = (query: Query, organizationId: string, userId: string): Promise<number> =>
  query.run(sql`
    update invitation set revoked_at = now()
    where organization_id = ${organizationId} and invited_by = ${userId}::text and accepted_at is null and revoked_at is null`)
