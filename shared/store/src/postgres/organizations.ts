import { CodedError } from '@sallyport/errors'
import { permissionsOf } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type {
  OrganizationCreation,
  OrganizationRecord,
  Organizations,
  PersonOrganization,
  UserRecord,
  Users,
} from '../organizations.ts'
import type { Page, PageRequest } from '../page.ts'
import { lockPerson } from './across-organizations.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database, Query } from './database.ts'
import { noteLoginNetwork } from './login-networks.ts'
import { customPermissions } from './role-permissions.ts'
import { allOf, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

export class PostgresOrganizations implements Organizations {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  createFirst({ name, admin }: Parameters<Organizations['createFirst']>[0], act: ActContext) {
    return this.#database.transaction(async (query) => {
      const organizationId = this.#record.newId()
      // The unique `is_first` lets one of many starters win; the others wait for it and find a row.
      const made = await query.run(sql`
        insert into organization (id, name, is_first) values (${organizationId}, ${name}, true)
        on conflict (is_first) do nothing`)
      if (made === 0) return undefined
      const userId = this.#record.newId()
      await query.run(sql`
        insert into user_account (id, organization_id, email, username, password_hash, roles)
        values (${userId}, ${organizationId}, ${admin.email}, ${admin.username}, ${admin.passwordHash}, ${['owner']})`)
      await this.#record.audit(query, act, {
        type: 'organization.created',
        organizationId,
        subjectId: organizationId,
        details: { name },
      })
      await this.#record.audit(query, act, {
        type: 'user.created',
        organizationId,
        subjectId: userId,
        details: { username: admin.username, roles: ['owner'] },
      })
      return { organizationId, userId }
    })
  }

  create(
    { name, ownerId, from }: Parameters<Organizations['create']>[0],
    policy: OrganizationCreation,
    act: ActContext,
  ): Promise<OrganizationRecord> {
    return this.#database.transaction(async (query) => {
      const [id, membershipId] = [this.#record.newId(), this.#record.newId()]
      // Of several at once of one person, the later ones see what the earlier ones have made.
      if (!(await lockPerson(query, ownerId))) throw new CodedError('token-revoked', 'The person is gone.')
      await refuseCreation(query, policy, { userId: ownerId, organizationId: from })
      const had = await query.first<{ readonly made: number; readonly memberships: number }>(sql`
        select (select count(*) from organization where created_by = ${ownerId}) as made,
          (select count(*) from membership where user_id = ${ownerId}) as memberships`)
      if ((had?.made ?? 0) >= policy.mostOfOnePerson) {
        throw new CodedError('policy-violated', `One person makes at most ${policy.mostOfOnePerson} organizations.`, {
          details: { policy: 'organization-limit', most: policy.mostOfOnePerson },
        })
      }
      if ((had?.memberships ?? 0) >= mostOrganizationsOfPerson) throw tooManyOrganizations()
      const made = await query.first<OrganizationRecord>(sql`
        insert into organization (id, name, created_by) values (${id}, ${name}, ${ownerId})
        returning ${organizationColumns}`)
      if (made === undefined) throw new CodedError('internal', 'an organization that was just written is not there')
      await query.run(sql`
        insert into membership (organization_id, user_id, id, roles)
        values (${id}, ${ownerId}, ${membershipId}, ${['owner']})`)
      await this.#record.audit(query, act, {
        type: 'organization.created',
        organizationId: id,
        subjectId: id,
        details: { name },
      })
      return made
    })
  }

  async listOf(userId: string, request: PageRequest): Promise<Page<PersonOrganization>> {
    const window = pageWindow(request)
    const rows = await this.#database.read((query) =>
      query.rows<PersonOrganization>(sql`
        select m.organization_id as id, o.name, m.roles, m.created_at as "joinedAt"
        from membership m join organization o on o.id = m.organization_id
        where ${allOf([
          sql`m.user_id = ${userId}`,
          beforeCursor(window, { at: sql`m.created_at`, id: sql`m.organization_id` }),
        ])}
        order by m.created_at desc, m.organization_id desc limit ${window.limit + 1}`),
    )
    return toPage(
      rows,
      window,
      (row) => ({ at: row.joinedAt, id: row.id }),
      (row) => row,
    )
  }

  read(id: string): Promise<OrganizationRecord | undefined> {
    return this.#database
      .of(id)
      .read((query) =>
        query.first<OrganizationRecord>(sql`select ${organizationColumns} from organization where id = ${id}`),
      )
  }

  rename(id: string, name: string, expectedVersion: number | undefined, act: ActContext): Promise<OrganizationRecord> {
    return this.#database.of(id).transaction(async (query) => {
      const before = await query.first<{ readonly version: number }>(
        sql`select version from organization where id = ${id} for no key update`,
      )
      if (before === undefined) throw new CodedError('not-found', 'There is no such organization.')
      if (expectedVersion !== undefined && before.version !== expectedVersion) {
        throw new CodedError(
          'precondition-failed',
          `The organization has version ${before.version}, not ${expectedVersion}.`,
        )
      }
      const changed = await query.first<OrganizationRecord>(sql`
        update organization set name = ${name}, version = version + 1, updated_at = now() where id = ${id}
        returning ${organizationColumns}`)
      if (changed === undefined) throw new CodedError('internal', 'an organization that was just read is not there')
      await this.#record.audit(query, act, {
        type: 'organization.changed',
        organizationId: id,
        subjectId: id,
        details: { name, version: changed.version },
      })
      return changed
    })
  }
}

/** So that the list of a person's organizations is read at once, and nobody is made a member everywhere. */
export const mostOrganizationsOfPerson = 100

export const tooManyOrganizations = (): CodedError =>
  new CodedError('conflict', `One person is in at most ${mostOrganizationsOfPerson} organizations.`)

/** @throws CodedError `policy-violated`, policy `organization-creation`. */
async function refuseCreation(
  query: Query,
  { allowedTo }: OrganizationCreation,
  { userId, organizationId }: { readonly userId: string; readonly organizationId: string },
): Promise<void> {
  const who = await query.first<{ readonly operator: boolean; readonly verified: boolean }>(sql`
    select email_verified_at is not null as verified, exists (
      select from organization o join membership m on m.organization_id = o.id
      where o.id = ${organizationId} and o.is_first and m.user_id = u.id and 'owner' = any(m.roles)) as operator
    from user_account u where u.id = ${userId}`)
  if (who?.operator === true && allowedTo !== 'nobody') return
  if (who?.verified === true && allowedTo === 'anybody') return
  throw new CodedError('policy-violated', 'This installation does not let you make an organization.', {
    details: { policy: 'organization-creation', allowedTo },
  })
}

const organizationColumns = sql`id, name, created_at as "createdAt", updated_at as "updatedAt", version`

interface UserRow extends Omit<UserRecord, 'permissions'> {
  readonly ownPermissions: readonly string[]
}

const userColumns = sql`u.id, m.organization_id as "organizationId", m.id as "membershipId", u.email, u.username,
  u.password_hash as "passwordHash", m.roles, ${customPermissions} as "ownPermissions"`

const toUser = ({ ownPermissions, ...row }: UserRow): UserRecord => ({
  ...row,
  permissions: permissionsOf(row.roles, ownPermissions),
})

export class PostgresUsers implements Users {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async findByLogin(usernameOrEmail: string): Promise<UserRecord | undefined> {
    const row = await this.#database.read((query) =>
      query.first<UserRow>(sql`
        select ${userColumns} from user_account u
          join membership m on m.user_id = u.id and m.organization_id = u.organization_id
        where lower(u.username) = lower(${usernameOrEmail}) or lower(u.email) = lower(${usernameOrEmail})`),
    )
    return row === undefined ? undefined : toUser(row)
  }

  async read(id: string, organizationId: string | undefined): Promise<UserRecord | undefined> {
    const row = await this.#database.read((query) =>
      query.first<UserRow>(sql`
        select ${userColumns} from user_account u
          join membership m on m.user_id = u.id and m.organization_id = coalesce(${organizationId}::uuid, u.organization_id)
        where u.id = ${id}`),
    )
    return row === undefined ? undefined : toUser(row)
  }

  async recordEntry(
    { userId, organizationId, from, sessionId }: Parameters<Users['recordEntry']>[0],
    act: ActContext,
  ): Promise<void> {
    await this.#database.transaction(async (query) => {
      await rememberOrganization(query, { userId, organizationId })
      await this.#record.audit(query, act, {
        type: 'user.organization-entered',
        organizationId,
        subjectId: userId,
        details: { sessionId },
      })
      await this.#record.notify(query, 'access_changed', { organizationId: from, userId })
    })
  }

  async recordLogin(login: Parameters<Users['recordLogin']>[0], act: ActContext): Promise<void> {
    const { userId, organizationId, outcome, reason, sessionId } = login
    await this.#database.transaction(async (query) => {
      const user =
        userId === undefined
          ? undefined
          : await query.first<{ readonly organizationId: string }>(
              sql`select organization_id as "organizationId" from user_account where id = ${userId}`,
            )
      const where = organizationId ?? user?.organizationId
      if (outcome === 'succeeded' && userId !== undefined && user !== undefined && where !== undefined) {
        if (where !== user.organizationId) await rememberOrganization(query, { userId, organizationId: where })
        await noteLoginNetwork(query, this.#record, act, { userId, organizationId: where })
      }
      await this.#record.audit(query, act, {
        type: 'user.login',
        organizationId: where,
        subjectId: userId ?? 'unknown',
        outcome,
        details: {
          ...(reason === undefined ? {} : { reason }),
          ...(sessionId === undefined ? {} : { sessionId }),
        },
      })
    })
  }

  async recordSessionRefresh(session: Parameters<Users['recordSessionRefresh']>[0], act: ActContext): Promise<void> {
    const { userId, organizationId, sessionId } = session
    await this.#database.transaction((query) =>
      this.#record.audit(query, act, {
        type: 'user.session-refreshed',
        organizationId,
        subjectId: userId,
        details: { sessionId },
      }),
    )
  }

  async recordReauthentication(
    { userId, organizationId, sessionId, reason }: Parameters<Users['recordReauthentication']>[0],
    act: ActContext,
  ): Promise<void> {
    await this.#database.transaction((query) =>
      this.#record.audit(query, act, {
        type: 'user.reauthenticated',
        organizationId,
        subjectId: userId,
        outcome: reason === undefined ? 'succeeded' : 'failed',
        details: { sessionId, ...(reason === undefined ? {} : { reason }) },
      }),
    )
  }

  async recordSessionEnd(session: Parameters<Users['recordSessionEnd']>[0], act: ActContext): Promise<void> {
    const { userId, organizationId, sessionId, cause } = session
    await this.#database.transaction(async (query) => {
      await this.#record.audit(query, act, {
        type: `user.${cause}`,
        organizationId,
        subjectId: userId,
        outcome: cause === 'logout' ? 'succeeded' : 'failed',
        details: { sessionId },
      })
      await this.#record.notify(query, 'access_changed', { organizationId, userId })
    })
  }
}

/** Where the next log-in begins. Who was removed in the meantime stays where they are. */
async function rememberOrganization(
  query: Query,
  { userId, organizationId }: { readonly userId: string; readonly organizationId: string },
): Promise<void> {
  await lockPerson(query, userId)
  await query.run(sql`
    update user_account u set organization_id = m.organization_id, roles = m.roles, version = m.version
    from membership m
    where u.id = ${userId} and m.user_id = u.id and m.organization_id = ${organizationId}
      and u.organization_id <> m.organization_id`)
}
