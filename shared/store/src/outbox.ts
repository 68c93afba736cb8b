/** Events that wait to be relayed: written with the change they tell of. Satisfies the port that the relay reads through. */

import type { EventTopic, JsonValue } from '@sallyport/fleet'

export interface OutboxEvent {
  /** UUIDv7: the same for every delivery. */
  readonly id: string
  readonly topic: EventTopic
  readonly organizationId: string
  readonly deviceId?: string
  /** The enrollment group, or the one that the device is of. */
  readonly groupId?: string
  /** That person's alone. */
  readonly userId?: string
  /** RFC 3339, UTC, by the database's clock. */
  readonly occurredAt: string
  readonly correlationId: string
  readonly data: JsonValue
}

export interface OutboxRow {
  /** The place in the order of delivery, from 1, without holes: who sees one sees all before it. */
  readonly position: number
  readonly event: OutboxEvent
}

export interface Outbox {
  /**
   * Gives all that is committed and has none its position, in the order in which it was written; notifies `events`. One caller at
   * a time; the others wait.
   */
  number(): Promise<void>
  /**
   * In one transaction: takes up to `limit` unpublished rows that nobody else has taken, first position first, hands them to
   * `publish`, and marks them published. When `publish` rejects nothing is marked, and the rejection is passed on. Rows without a
   * position get one before.
   */
  publishBatch(limit: number, publish: (rows: readonly OutboxRow[]) => Promise<void>): Promise<number>
  /** The last position that was given; 0 at first. */
  head(): Promise<number>
  /** After a position, in order. It starts later than the next one where old rows were removed. */
  after(position: number, limit: number): Promise<readonly OutboxRow[]>
  /** Undefined for what is another organization's, as for what never was or was removed. */
  positionOf(organizationId: string, eventId: string): Promise<number | undefined>
  /** One organization's, after a position up to another (inclusive), in order. */
  ofOrganization(
    organizationId: string,
    range: { readonly after: number; readonly upTo: number; readonly limit: number },
  ): Promise<readonly OutboxRow[]>
  /** The id of the organization's last event up to a position. */
  latestOf(organizationId: string, upTo: number): Promise<string | undefined>
}
