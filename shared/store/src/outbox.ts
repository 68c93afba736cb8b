/** Events that wait to be relayed: written with the change they tell of. Satisfies the port that the relay reads through. */

import type { EventTopic, JsonValue } from '@sallyport/fleet'

export interface OutboxEvent {
  /** UUIDv7: the same for every delivery. */
  readonly id: string
  readonly topic: EventTopic
  readonly organizationId: string
  readonly deviceId?: string
  /** That person's alone. */
  readonly userId?: string
  /** RFC 3339, UTC, by the database's clock. */
  readonly occurredAt: string
  readonly correlationId: string
  readonly data: JsonValue
}

export interface OutboxRow {
  /** Not commit order, and with holes. */
  readonly sequence: number
  readonly event: OutboxEvent
}

export interface Outbox {
  /**
   * In one transaction: takes up to `limit` unpublished rows that nobody else has taken, oldest first, hands them to `publish`,
   * and marks them published. When `publish` rejects nothing is marked, and the rejection is passed on.
   */
  publishBatch(limit: number, publish: (rows: readonly OutboxRow[]) => Promise<void>): Promise<number>
  /** Strictly between two sequences, oldest first. */
  between(after: number, before: number, limit: number): Promise<readonly OutboxRow[]>
}
