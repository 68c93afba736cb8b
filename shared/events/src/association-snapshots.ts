/**
 * Snapshots of live associations, left in Redis for the gateway that takes a shard over (design §4): sealed by their author, so
 * that Redis holds bytes it can neither read nor make.
 *
 * A hash per shard, streamed at a takeover; each snapshot lives for a while after it was last put, also when Redis was away as
 * it should have been removed. All of it may be gone at any moment: the devices then shake hands again. What is loaded may be
 * old, and may have been put by a gateway that has lost the shard: the reader has to bear both.
 */

import { type Clock, type Duration, later, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { ChainableCommander } from 'ioredis'
import type { RedisConnection } from './redis-connection.ts'

export interface AssociationSnapshot {
  /** Names the association within its shard. */
  readonly id: string
  readonly sealed: Uint8Array
}

/** Every method rejects within a few seconds with CodedError `cache-unavailable` when Redis does not do it. */
export interface AssociationSnapshots {
  /** Replaces what was there under the same ids. Not atomic: after a failure some may be there. */
  put(shard: number, snapshots: readonly AssociationSnapshot[]): Promise<void>
  remove(shard: number, ids: readonly string[]): Promise<void>
  /**
   * All of a shard, each once, in no order. What is put or removed meanwhile may or may not be among them. It waits for a
   * connection that is being made, up to 2 s: a gateway loads at its start.
   */
  load(shard: number): AsyncIterable<AssociationSnapshot>
}

export interface AssociationSnapshotsOptions {
  readonly redis: RedisConnection
  readonly clock: Clock
  /** How long a snapshot lives after it was last put. */
  readonly lifetime: Duration
}

/** In one command: a megabyte or so, which no other client has to wait for. */
const mostAtOnce = 500
const longestConnect = seconds(2)

export function redisAssociationSnapshots(options: AssociationSnapshotsOptions): AssociationSnapshots {
  const { redis, clock, lifetime } = options

  /** Ends the snapshots whose time is over: their authors could not, or did not live to. */
  async function expire(shard: number): Promise<void> {
    for (;;) {
      const ids = await answered(redis.zrangebyscore(endsOf(shard), '-inf', clock.now(), 'LIMIT', 0, mostAtOnce))
      if (ids.length > 0)
        await run(
          redis
            .pipeline()
            .hdel(bytesOf(shard), ...ids)
            .zrem(endsOf(shard), ...ids),
        )
      if (ids.length < mostAtOnce) return
    }
  }

  return {
    async put(shard, snapshots) {
      const end = later(clock.now(), lifetime)
      for (const batch of batches(snapshots)) {
        await run(
          redis
            .pipeline()
            .zadd(endsOf(shard), ...batch.flatMap(({ id }) => [end, id]))
            .hset(bytesOf(shard), ...batch.flatMap(({ id, sealed }) => [id, asBuffer(sealed)]))
            // For a shard that nobody serves any more.
            .pexpire(endsOf(shard), lifetime)
            .pexpire(bytesOf(shard), lifetime),
        )
      }
      if (snapshots.length > 0) await expire(shard)
    },

    async remove(shard, ids) {
      for (const batch of batches(ids)) {
        await run(
          redis
            .pipeline()
            .hdel(bytesOf(shard), ...batch)
            .zrem(endsOf(shard), ...batch),
        )
      }
    },

    async *load(shard) {
      await connected(redis)
      await expire(shard)
      // A scan gives an entry twice when the hash grows or shrinks meanwhile.
      const seen = new Set<string>()
      let cursor = '0'
      do {
        const [next, entries] = await answered(redis.hscanBuffer(bytesOf(shard), cursor, 'COUNT', mostAtOnce))
        cursor = next.toString()
        for (let index = 0; index + 1 < entries.length; index += 2) {
          const [id, sealed] = [entries[index]?.toString(), entries[index + 1]]
          if (id === undefined || sealed === undefined || seen.has(id)) continue
          seen.add(id)
          yield { id, sealed }
        }
      } while (cursor !== '0')
    },
  }
}

/** Resolves when the connection is there, or has not come in time: then the command says so. */
async function connected(redis: RedisConnection): Promise<void> {
  if (redis.status === 'ready') return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, longestConnect)
  redis.once('ready', resolve)
  await promise
  redis.off('ready', resolve)
  clearTimeout(timer)
}

const bytesOf = (shard: number): string => `sallyport:associations:${shard}`
const endsOf = (shard: number): string => `sallyport:associations:${shard}:ends`

/** The same bytes: what the client takes. */
const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength)

function* batches<T>(all: readonly T[]): Iterable<readonly T[]> {
  for (let start = 0; start < all.length; start += mostAtOnce) yield all.slice(start, start + mostAtOnce)
}

async function run(pipeline: ChainableCommander): Promise<void> {
  const results = await answered(pipeline.exec())
  const failure = results === null ? new Error('no reply') : results.find(([error]) => error !== null)?.[0]
  if (failure !== undefined) throw unavailable(failure)
}

async function answered<T>(reply: Promise<T>): Promise<T> {
  try {
    return await reply
  } catch (cause) {
    throw unavailable(cause)
  }
}

const unavailable = (cause: unknown): CodedError =>
  new CodedError('cache-unavailable', 'Redis did not take or give the snapshots of associations', { cause })
