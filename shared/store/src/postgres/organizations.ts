import { CodedError } from '@sallyport/errors'
import { permissionsOf } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { OrganizationRecord, Organizations, UserRecord, Users } from '../organizations.ts'
import type { Database } from './database.ts'
import { noteLoginNetwork } from './login-networks.ts'
import { customPermissions } from './role-permissions.ts'
import { sql } from './sql.ts'
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

const organizationColumns = sql`id, name, created_at as "createdAt", updated_at as "updatedAt", version`

interface UserRow extends Omit<UserRecord, 'permissions'> {
  readonly ownPermissions: readonly string[]
}

const userColumns = sql`u.id, u.organization_id as "organizationId", u.email, u.username,
  u.password_hash as "passwordHash", u.roles, ${customPermissions} as "ownPermissions"`

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
        where lower(u.username) = lower(${usernameOrEmail}) or lower(u.email) = lower(${usernameOrEmail})`),
    )
    return row === undefined ? undefined : toUser(row)
  }

  async read(id: string): Promise<UserRecord | undefined> {
    const row = await this.#database.read((query) =>
      query.first<UserRow>(sql`select ${userColumns} from user_account u where u.id = ${id}`),
    )
    return row === undefined ? undefined : toUser(row)
  }

  async recordLogin(login: Parameters<Users['recordLogin']>[0], act: ActContext): Promise<void> {
    const { userId, outcome, reason, sessionId } = login
    await this.#database.transaction(async (query) => {
      const user =
        userId === undefined
          ? undefined
          : await query.first<{ readonly organizationId: string }>(
              sql`select organization_id as "organizationId" from user_account where id = ${userId}`,
            )
      if (outcome === 'succeeded' && userId !== undefined && user !== undefined) {
        await noteLoginNetwork(query, this.#record, act, { userId, organizationId: user.organizationId })
      }
      await this.#record.audit(query, act, {
        type: 'user.login',
        organizationId: user?.organizationId,
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
