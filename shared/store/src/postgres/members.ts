import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { isRole, type Permission } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { HeldMembership, MemberRecord, Members } from '../members.ts'
import type { Page, PageRequest } from '../page.ts'
import { asTheService, lockPerson } from './across-organizations.ts'
import { revokeApiKeysOf } from './api-keys.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database, Query } from './database.ts'
import { heldMembership, lockMemberships, permissionsByRole, refuseEscalation } from './role-permissions.ts'
import { present } from './row.ts'
import { allOf, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

export interface MemberRow extends Omit<MemberRecord, 'emailVerifiedAt'> {
  readonly emailVerifiedAt: Instant | null
}

/** Of a `membership m` and its `user_account u`. */
export const memberColumns = sql`m.user_id as id, m.organization_id as "organizationId", u.email, u.username, m.roles,
  m.created_at as "createdAt", u.email_verified_at as "emailVerifiedAt", m.version`

export const people = sql`membership m join user_account u on u.id = m.user_id`

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
        select ${memberColumns} from ${people}
        where ${allOf([
          sql`m.organization_id = ${organizationId}`,
          beforeCursor(window, { at: sql`m.created_at`, id: sql`m.user_id` }),
        ])}
        order by m.created_at desc, m.user_id desc limit ${window.limit + 1}`),
    )
    return toPage(rows, window, (row) => ({ at: row.createdAt, id: row.id }), toMember)
  }

  async read(organizationId: string, userId: string): Promise<MemberRecord | undefined> {
    const row = await this.#database.of(organizationId).read((query) =>
      query.first<MemberRow>(sql`
        select ${memberColumns} from ${people} where m.user_id = ${userId} and m.organization_id = ${organizationId}`),
    )
    return row === undefined ? undefined : toMember(row)
  }

  async permissions(organizationId: string, userId: string): Promise<ReadonlySet<Permission> | undefined> {
    return (await this.held(organizationId, userId))?.permissions
  }

  held(organizationId: string, userId: string): Promise<HeldMembership | undefined> {
    return this.#database.of(organizationId).read((query) => heldMembership(query, organizationId, userId))
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
        update membership m set roles = ${wanted}::text[], version = m.version + 1 from user_account u
        where u.id = m.user_id and m.user_id = ${userId} and m.organization_id = ${organizationId}
        returning ${memberColumns}`)
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
      const revokedInvitations = await revokeInvitationsOf(query, organizationId, userId)
      const revokedApiKeys = await revokeApiKeysOf(query, this.#record, organizationId, userId)
      await this.#record.audit(query, act, {
        type: 'user.removed',
        organizationId,
        subjectId: userId,
        details: { username, roles, revokedInvitations, revokedApiKeys },
      })
      await this.#record.notify(query, 'access_changed', { organizationId, userId })
      await leave(query, organizationId, userId)
    })
  }
}

export const toMember = ({ emailVerifiedAt, ...row }: MemberRow): MemberRecord => ({
  ...row,
  ...present({ emailVerifiedAt }),
})

/** Locked no harder than its reading bears: a person's account refers to it from another organization's transaction. */
async function readMember(query: Query, organizationId: string, userId: string): Promise<MemberRow> {
  const row = await query.first<MemberRow>(sql`
    select ${memberColumns} from ${people}
    where m.user_id = ${userId} and m.organization_id = ${organizationId} for no key update of m`)
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
    select 1 as there from membership
    where organization_id = ${organizationId} and user_id <> ${leaving} and 'owner' = any(roles) limit 1`)
  if (other !== undefined) return
  throw new CodedError('policy-violated', 'An organization keeps an owner: make somebody else one first.', {
    details: { policy: 'last-owner' },
  })
}

/**
 * The membership ends, and with the last one of a person their account. Beyond the scope of the organization: whether there is
 * another one is nothing that it may see. Both are under a lock of the person, so that of two organizations at one moment the
 * second sees that the first is gone.
 */
async function leave(query: Query, organizationId: string, userId: string): Promise<void> {
  await asTheService(query)
  await lockPerson(query, userId)
  const kept = await query.run(sql`
    update user_account u set organization_id = m.organization_id, roles = m.roles, version = m.version
    from (
      select organization_id, user_id, roles, version from membership
      where user_id = ${userId} and organization_id <> ${organizationId} order by created_at desc limit 1
    ) m
    where u.id = m.user_id and u.organization_id = ${organizationId}`)
  await query.run(sql`delete from membership where user_id = ${userId} and organization_id = ${organizationId}`)
  if (kept > 0) return
  await query.run(sql`
    delete from user_account u
    where u.id = ${userId} and not exists (select from membership m where m.user_id = u.id)`)
}

/** What the member gave, also with an API key. @returns how many. */
const revokeInvitationsOf = (query: Query, organizationId: string, userId: string): Promise<number> =>
  query.run(sql`
    update invitation set revoked_at = now()
    where organization_id = ${organizationId} and accepted_at is null and revoked_at is null
      and (invited_by = ${userId}::text or invited_by in (
        select id::text from api_key where organization_id = ${organizationId} and made_by = ${userId}))`)
