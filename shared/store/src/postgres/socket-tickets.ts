import { inSeconds } from '@sallyport/clock'
import type { JsonValue } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { NewSocketTicket, SocketTickets } from '../socket-tickets.ts'
import type { Database } from './database.ts'
import { json, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

export class PostgresSocketTickets implements SocketTickets {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  create(organizationId: string, ticket: NewSocketTicket, act: ActContext): Promise<void> {
    const { sha256, userId, caller, lifetime } = ticket
    return this.#database.of(organizationId).transaction(async (query) => {
      await query.run(sql`
        insert into socket_ticket (ticket_sha256, organization_id, caller, expires_at)
        values (${sha256}, ${organizationId}, ${json(caller)}, now() + make_interval(secs => ${inSeconds(lifetime)}))`)
      await this.#record.audit(query, act, {
        type: 'user.socket-ticket-issued',
        organizationId,
        subjectId: userId,
        details: {},
      })
    })
  }

  async redeem(sha256: string): Promise<JsonValue | undefined> {
    const row = await this.#database.transaction((query) =>
      query.first<{ readonly caller: JsonValue; readonly good: boolean }>(sql`
        delete from socket_ticket where ticket_sha256 = ${sha256} returning caller, expires_at > now() as good`),
    )
    return row?.good === true ? row.caller : undefined
  }
}
