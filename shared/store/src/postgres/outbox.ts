import { type Instant, toRfc3339 } from '@sallyport/clock'
import type { EventTopic, JsonValue } from '@sallyport/fleet'
import type { Outbox, OutboxRow } from '../outbox.ts'
import type { Database } from './database.ts'
import { present } from './row.ts'
import { sql } from './sql.ts'

interface Row {
  readonly sequence: number
  readonly id: string
  readonly topic: EventTopic
  readonly organizationId: string
  readonly deviceId: string | null
  readonly userId: string | null
  readonly correlationId: string
  readonly data: JsonValue
  readonly occurredAt: Instant
}

const columns = sql`sequence, id, topic, organization_id as "organizationId", device_id as "deviceId", user_id as "userId",
  correlation_id as "correlationId", data, occurred_at as "occurredAt"`

export class PostgresOutbox implements Outbox {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  publishBatch(limit: number, publish: (rows: readonly OutboxRow[]) => Promise<void>): Promise<number> {
    return this.#database.transactionAround(async (query) => {
      const rows = await query.rows<Row>(sql`
        select ${columns} from outbox where published_at is null order by sequence limit ${limit} for update skip locked`)
      if (rows.length === 0) return 0
      await publish(rows.map(toOutboxRow))
      await query.run(sql`
        update outbox set published_at = clock_timestamp()
        where sequence = any(${rows.map((row) => row.sequence)}::bigint[])`)
      return rows.length
    })
  }

  async between(after: number, before: number, limit: number): Promise<readonly OutboxRow[]> {
    const rows = await this.#database.read((query) =>
      query.rows<Row>(sql`
        select ${columns} from outbox where sequence > ${after} and sequence < ${before} order by sequence limit ${limit}`),
    )
    return rows.map(toOutboxRow)
  }
}

const toOutboxRow = ({ sequence, deviceId, userId, occurredAt, ...event }: Row): OutboxRow => ({
  sequence,
  event: { ...event, ...present({ deviceId, userId }), occurredAt: toRfc3339(occurredAt) },
})
