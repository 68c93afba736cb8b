/**
 * A subscriber of the event stream that survives Redis.
 *
 * It reads onward from where it was after every reconnect. What a flushed or trimmed stream lost shows as a hole in the outbox
 * sequence and is reported: the subscriber then reads those rows from Postgres. A hole may also be a rolled-back
 * transaction or a row that comes later, so a replay may find nothing, or what was already delivered.
 */

import { seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { eventStream } from './event-stream.ts'
import { fromStreamFields, type OutboxRow, type PublishedEvent } from './published-event.ts'
import { connectBlockingRedis, type RedisConnection, type RedisOptions } from './redis-connection.ts'

/** Sequences that were not seen, bounds exclusive. */
export interface EventGap {
  readonly after: number
  readonly before: number
}

export interface Subscription {
  close(): Promise<void>
}

export interface SubscriptionOptions {
  readonly redis: RedisOptions
  readonly onEvent: (event: PublishedEvent, position: { streamId: string; sequence: number }) => void
  readonly onGap?: (gap: EventGap) => void
  readonly stream?: string
  /** `$` (default): what is published from now on; or the stream id of the last event that was handled. */
  readonly from?: string
  readonly log?: Logger
}

const readAtOnce = 500
const block = seconds(5)
const retryAfter = 200

/** Returns at once. Handlers must not throw; one that does is logged and the next event follows. */
export function subscribeEvents(options: SubscriptionOptions): Subscription {
  const redis = connectBlockingRedis({ ...options.redis, name: `${options.redis.name}-events` }, block)
  const state = { closed: false }
  const finished = readUntilClosed(options, redis, state)
  return {
    async close() {
      state.closed = true
      redis.disconnect()
      await finished
    },
  }
}

async function readUntilClosed(
  options: SubscriptionOptions,
  redis: RedisConnection,
  state: { readonly closed: boolean },
): Promise<void> {
  const stream = options.stream ?? eventStream
  const seen = new RecentIds()
  let position = options.from ?? '$'
  let lastSequence: number | undefined
  while (!state.closed) {
    try {
      // `$` is only good for one read: what is published between two reads would be lost.
      if (position === '$') position = await lastStreamId(redis, stream)
      const entries = await read(redis, stream, position)
      for (const { id, row } of entries) {
        position = id
        if (row === undefined) continue
        if (lastSequence !== undefined && row.sequence > lastSequence + 1) {
          attempt(options, () => options.onGap?.({ after: lastSequence ?? 0, before: row.sequence }))
        }
        lastSequence = Math.max(lastSequence ?? row.sequence, row.sequence)
        if (seen.add(row.event.id)) {
          attempt(options, () => options.onEvent(row.event, { streamId: id, sequence: row.sequence }))
        }
      }
    } catch (error) {
      if (state.closed) return
      options.log?.debug({ err: error }, 'reading events again')
      await new Promise((resolve) => setTimeout(resolve, retryAfter))
    }
  }
}

async function lastStreamId(redis: RedisConnection, stream: string): Promise<string> {
  const [last] = await redis.xrevrange(stream, '+', '-', 'COUNT', 1)
  return last?.[0] ?? '0'
}

async function read(
  redis: RedisConnection,
  stream: string,
  after: string,
): Promise<readonly { id: string; row: OutboxRow | undefined }[]> {
  const reply = await redis.xread('COUNT', readAtOnce, 'BLOCK', block, 'STREAMS', stream, after)
  return (reply?.[0]?.[1] ?? []).map(([id, fields]) => ({ id, row: fromStreamFields(fields) }))
}

function attempt(options: SubscriptionOptions, handle: () => void): void {
  try {
    handle()
  } catch (error) {
    options.log?.error({ err: error }, 'an event handler failed')
  }
}

/** The ids of the last events, so that a relay's repeat is not delivered again. */
class RecentIds {
  readonly #ids = new Set<string>()

  /** False when it was there. */
  add(id: string): boolean {
    if (this.#ids.has(id)) return false
    this.#ids.add(id)
    if (this.#ids.size > 4096) {
      const [oldest] = this.#ids
      if (oldest !== undefined) this.#ids.delete(oldest)
    }
    return true
  }
}
