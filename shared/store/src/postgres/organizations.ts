import type { ActContext } from '../act.ts'
import type { Organizations, UserRecord, Users } from '../organizations.ts'
import type { Database } from './database.ts'
import { noteLoginNetwork } from './login-networks.ts'
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
        values (${userId}, ${organizationId}, ${admin.email}, ${admin.username}, ${admin.passwordHash}, ${['admin']})`)
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
        details: { username: admin.username, roles: ['admin'] },
      })
      return { organizationId, userId }
    })
  }

  read(id: string) {
    return this.#database.read((query) =>
      query.first<{ readonly id: string; readonly name: string }>(
        sql`select id, name from organization where id = ${id}`,
      ),
    )
  }
}

const userColumns = sql`id, organization_id as "organizationId", email, username, password_hash as "passwordHash", roles`

export class PostgresUsers implements Users {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  findByLogin(usernameOrEmail: string) {
    return this.#database.read((query) =>
      query.first<UserRecord>(sql`
        select ${userColumns} from user_account
        where lower(username) = lower(${usernameOrEmail}) or lower(email) = lower(${usernameOrEmail})`),
    )
  }

  read(id: string) {
    return this.#database.read((query) =>
      query.first<UserRecord>(sql`select ${userColumns} from user_account where id = ${id}`),
    )
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

  async recordSessionEnd(session: Parameters<Users['recordSessionEnd']>[0], act: ActContext): Promise<void> {
    const { userId, organizationId, sessionId, cause } = session
    await this.#database.transaction((query) =>
      this.#record.audit(query, act, {
        type: `user.${cause}`,
        organizationId,
        subjectId: userId,
        outcome: cause === 'logout' ? 'succeeded' : 'failed',
        details: { sessionId },
      }),
    )
  }
}
