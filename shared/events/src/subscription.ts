/**
 * A subscriber of the event stream that survives Redis.
 *
 * It reads onward from where it was after every reconnect. Events may come twice and out of order, and what a flushed or trimmed
 * stream lost does not come at all: positions have no holes, so who needs every event sees what is missing and reads it from
 * Postgres.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { eventStream } from './event-stream.ts'
import { fromStreamFields, type OutboxRow } from './published-event.ts'
import { connectBlockingRedis, type RedisConnection, type RedisOptions } from './redis-connection.ts'

export interface Subscription {
  close(): Promise<void>
}

export interface SubscriptionOptions {
  readonly redis: RedisOptions
  readonly onEvent: (row: OutboxRow) => void
  readonly stream?: string
  /** `$` (default): what is published from now on; or the stream id of the last event that was handled. */
  readonly from?: string
  readonly log?: Logger
}

const readAtOnce = 500
const block = seconds(5)
const retryAfter = 200
/** In one turn of the loop: what is written for an event goes out before there is more of it. */
const handledAtOnce = 64

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
  let position = options.from ?? '$'
  while (!state.closed) {
    try {
      // `$` is only good for one read: what is published between two reads would be lost.
      if (position === '$') position = await lastStreamId(redis, stream)
      const entries = await read(redis, stream, position)
      for (const [index, { id, row }] of entries.entries()) {
        if (index % handledAtOnce === handledAtOnce - 1) await nextTurn()
        position = id
        if (row !== undefined) attempt(options, () => options.onEvent(row))
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
