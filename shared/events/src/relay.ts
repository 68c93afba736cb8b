/**
 * The relay: moves committed events from the outbox to the Redis stream.
 *
 * Any number of relays may run; each takes rows nobody else has. A row is marked only after Redis took it, so an outage of Redis
 * delays events and loses none, and a crash in between sends some twice.
 */

import { type Duration, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import { eventStream, longestStream } from './event-stream.ts'
import { type OutboxPort, type OutboxRow, toStreamFields } from './published-event.ts'
import type { RedisConnection } from './redis-connection.ts'

export interface Relay {
  /** Ends after the batch under way. */
  close(): Promise<void>
}

export interface RelayOptions {
  readonly outbox: Pick<OutboxPort, 'publishBatch'>
  readonly redis: RedisConnection
  /** Tells the relay that rows may wait (a database notification); returns how to stop being told. */
  readonly wake?: (nudge: () => void) => Promise<() => Promise<void>>
  readonly stream?: string
  /** How often the outbox is looked at without being woken, and after a failure; default 1 s. */
  readonly pollEvery?: Duration
  readonly log?: Logger
}

const batchSize = 200

export function startRelay(options: RelayOptions): Relay {
  const pause = new Pause(options.pollEvery ?? seconds(1))
  const stopListening = options.wake?.(() => pause.end())
  // A relay that cannot be woken still polls.
  stopListening?.catch((error: unknown) => options.log?.warn({ err: error }, 'the relay is not woken, only polls'))
  const finished = relayUntilClosed(options, pause)
  return {
    async close() {
      pause.close()
      await finished
      const stop = await stopListening?.catch(() => undefined)
      await stop?.()
    },
  }
}

async function relayUntilClosed(options: RelayOptions, pause: Pause): Promise<void> {
  let failing = false
  while (!pause.closed) {
    try {
      const count = await options.outbox.publishBatch(batchSize, (rows) => publish(options, rows))
      if (failing) options.log?.info({}, 'events are relayed again')
      failing = false
      if (count < batchSize) await pause.wait()
    } catch (error) {
      if (!failing) options.log?.warn({ err: error }, 'events wait in the outbox')
      failing = true
      await pause.wait()
    }
  }
}

async function publish(options: RelayOptions, rows: readonly OutboxRow[]): Promise<void> {
  const pipeline = options.redis.pipeline()
  for (const row of rows) {
    pipeline.xadd(options.stream ?? eventStream, 'MAXLEN', '~', longestStream, '*', ...toStreamFields(row))
  }
  const results = await pipeline.exec()
  const failure = results === null ? new Error('no reply') : results.find(([error]) => error !== null)?.[0]
  if (failure !== undefined) {
    throw new CodedError('cache-unavailable', 'Redis did not take the events', { cause: failure })
  }
}

/** A wait that a nudge cuts short; a nudge that comes while nobody waits is remembered. */
class Pause {
  readonly #longest: Duration
  #nudged = false
  #wake: (() => void) | undefined
  closed = false

  constructor(longest: Duration) {
    this.#longest = longest
  }

  end(): void {
    this.#nudged = true
    this.#wake?.()
  }

  close(): void {
    this.closed = true
    this.end()
  }

  async wait(): Promise<void> {
    if (!this.#nudged) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#longest)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#wake = undefined
    this.#nudged = false
  }
}
