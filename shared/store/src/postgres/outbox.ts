import { type Instant, toRfc3339 } from '@sallyport/clock'
import type { EventTopic, JsonValue } from '@sallyport/fleet'
import type { Outbox, OutboxRow } from '../outbox.ts'
import type { Database } from './database.ts'
import { present } from './row.ts'
import { sql } from './sql.ts'

interface Row {
  readonly position: number
  readonly id: string
  readonly topic: EventTopic
  readonly organizationId: string
  readonly deviceId: string | null
  readonly groupId: string | null
  readonly userId: string | null
  readonly correlationId: string
  readonly data: JsonValue
  readonly occurredAt: Instant
}

const columns = sql`position, id, topic, organization_id as "organizationId", device_id as "deviceId", group_id as "groupId",
  user_id as "userId", correlation_id as "correlationId", data, occurred_at as "occurredAt"`

const numberedAtOnce = 1000

export class PostgresOutbox implements Outbox {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async number(): Promise<void> {
    let count = numberedAtOnce
    while (count === numberedAtOnce && (await this.#waitForNumbers())) count = await this.#numberSome()
  }

  async publishBatch(limit: number, publish: (rows: readonly OutboxRow[]) => Promise<void>): Promise<number> {
    await this.number()
    return this.#database.transactionAround(async (query) => {
      const rows = await query.rows<Row>(sql`
        select ${columns} from outbox where published_at is null and position is not null order by position limit ${limit}
        for update skip locked`)
      if (rows.length === 0) return 0
      await publish(rows.map(toOutboxRow))
      await query.run(sql`
        update outbox set published_at = clock_timestamp()
        where position = any(${rows.map((row) => row.position)}::bigint[])`)
      return rows.length
    })
  }

  async head(): Promise<number> {
    const row = await this.#database.read((query) =>
      query.first<{ readonly position: number }>(sql`select position from event_head`),
    )
    return row?.position ?? 0
  }

  async after(position: number, limit: number): Promise<readonly OutboxRow[]> {
    const rows = await this.#database.read((query) =>
      query.rows<Row>(sql`select ${columns} from outbox where position > ${position} order by position limit ${limit}`),
    )
    return rows.map(toOutboxRow)
  }

  async positionOf(organizationId: string, eventId: string): Promise<number | undefined> {
    const row = await this.#database.of(organizationId).read((query) =>
      query.first<{ readonly position: number }>(sql`
        select position from outbox
        where id = ${eventId} and organization_id = ${organizationId} and position is not null`),
    )
    return row?.position
  }

  async ofOrganization(
    organizationId: string,
    { after, upTo, limit }: Parameters<Outbox['ofOrganization']>[1],
  ): Promise<readonly OutboxRow[]> {
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<Row>(sql`
        select ${columns} from outbox
        where organization_id = ${organizationId} and position > ${after} and position <= ${upTo}
        order by position limit ${limit}`),
    )
    return rows.map(toOutboxRow)
  }

  async latestOf(organizationId: string, upTo: number): Promise<string | undefined> {
    const row = await this.#database.of(organizationId).read((query) =>
      query.first<{ readonly id: string }>(sql`
        select id from outbox where organization_id = ${organizationId} and position <= ${upTo}
        order by position desc limit 1`),
    )
    return row?.id
  }

  async #waitForNumbers(): Promise<boolean> {
    const row = await this.#database.read((query) =>
      query.first<{ readonly waits: boolean }>(sql`
        select exists (select from outbox where position is null) as waits`),
    )
    return row?.waits === true
  }

  async #numberSome(): Promise<number> {
    const row = await this.#database.transaction(async (query) => {
      // In a statement of its own: the next one then sees what was numbered while this one waited.
      await query.run(sql`select from event_head for update`)
      return query.first<{ readonly count: number }>(sql`
        with waiting as materialized (
          select sequence, row_number() over (order by sequence) as place
          from (select sequence from outbox where position is null order by sequence limit ${numberedAtOnce}) as oldest
        ), numbered as (
          update outbox set position = event_head.position + waiting.place
          from waiting, event_head where outbox.sequence = waiting.sequence
        ), moved as (
          update event_head set position = position + (select count(*) from waiting) returning position
        )
        select (select count(*) from waiting) as count, pg_notify('events', position::text) from moved`)
    })
    return row?.count ?? 0
  }
}

const toOutboxRow = ({ position, deviceId, groupId, userId, occurredAt, ...event }: Row): OutboxRow => ({
  position,
  event: { ...event, ...present({ deviceId, groupId, userId }), occurredAt: toRfc3339(occurredAt) },
})
