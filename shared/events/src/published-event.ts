/**
 * What is told to the rest of the system after a change is committed, and the port to the table it waits in (the outbox).
 *
 * An event is delivered at least once and may come out of order: its position says where it belongs, and that one that is
 * not higher than the last was delivered already.
 */

export interface PublishedEvent {
  /** UUIDv7: the same for every delivery of this event. */
  readonly id: string
  /** `device.online`, `resource.changed`, … */
  readonly topic: string
  readonly organizationId: string
  readonly deviceId?: string
  /** The enrollment group, or the one that the device is of. */
  readonly groupId?: string
  /** It is for this person alone; without it, for everybody in the organization who may see events. */
  readonly userId?: string
  /** RFC 3339, UTC: when the change was committed to, by the database's clock. */
  readonly occurredAt: string
  readonly correlationId: string
  readonly data: unknown
}

/** An event with its place in the order of delivery: from 1, without holes. */
export interface OutboxRow {
  readonly position: number
  readonly event: PublishedEvent
}

export interface OutboxPort {
  /**
   * In one transaction: takes up to `limit` unpublished rows that nobody else has taken, hands them to `publish`, and marks
   * them published. When `publish` rejects, nothing is marked and the rejection is passed on. Rows without a position get one
   * before, whether publishing succeeds or not.
   *
   * @returns how many rows were published.
   */
  publishBatch(limit: number, publish: (rows: readonly OutboxRow[]) => Promise<void>): Promise<number>
}

const eventField = 'event'
const positionField = 'position'

/** The fields of a stream entry. */
export const toStreamFields = (row: OutboxRow): readonly string[] => [
  positionField,
  String(row.position),
  eventField,
  JSON.stringify(row.event),
]

/** A stream entry read back; undefined when it is not one of ours (Redis is no place for truth). */
export function fromStreamFields(fields: readonly string[]): OutboxRow | undefined {
  const text = fieldOf(fields, eventField)
  const position = Number(fieldOf(fields, positionField))
  if (text === undefined || !Number.isSafeInteger(position) || position < 1) return undefined
  try {
    const event: unknown = JSON.parse(text)
    return isPublishedEvent(event) ? { position, event } : undefined
  } catch {
    return undefined
  }
}

function fieldOf(fields: readonly string[], name: string): string | undefined {
  for (let index = 0; index + 1 < fields.length; index += 2) if (fields[index] === name) return fields[index + 1]
  return undefined
}

function isPublishedEvent(value: unknown): value is PublishedEvent {
  if (typeof value !== 'object' || value === null) return false
  const event = value as Partial<Record<keyof PublishedEvent, unknown>>
  return (
    typeof event.id === 'string' &&
    typeof event.topic === 'string' &&
    typeof event.organizationId === 'string' &&
    (event.deviceId === undefined || typeof event.deviceId === 'string') &&
    (event.groupId === undefined || typeof event.groupId === 'string') &&
    (event.userId === undefined || typeof event.userId === 'string') &&
    typeof event.occurredAt === 'string' &&
    typeof event.correlationId === 'string'
  )
}
