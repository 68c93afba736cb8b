/**
 * People's sessions: one family of refresh tokens each, kept in Redis as the hash of the token that is good now.
 *
 * Each step is one script, so that of parallel refreshes exactly one wins. The loser within the leeway is told so; a token
 * that comes back later was stolen or copied, and the family ends. A Redis that lost its data means logging in again; one
 * that does not answer means `cache-unavailable`, never a silent yes.
 */

import { createHash } from 'node:crypto'
import type { Clock, Duration, Instant } from '@sallyport/clock'
import { instant, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { RedisConnection } from '@sallyport/events'
import { CircuitBreaker } from '@sallyport/http'

/** How long the loser of two parallel refreshes is told that it lost, rather than that it stole. */
export const supersededLeeway = seconds(10)

export type Rotation = 'rotated' | 'superseded' | 'reused' | 'unknown'

export interface SessionFamilies {
  begin(session: { readonly id: string; readonly refreshToken: string; readonly timeToLive: Duration }): Promise<void>
  /** Replaces `presented` by `next` if it is the good one. `reused` has ended the family. */
  rotate(session: {
    readonly id: string
    readonly presented: string
    readonly next: string
    readonly timeToLive: Duration
  }): Promise<Rotation>
  /** The session `from` ends and `to` begins in one step, if `presented` is the good one of `from`. @returns whether it was. */
  move(session: {
    readonly from: string
    readonly presented: string
    readonly to: string
    readonly next: string
    readonly timeToLive: Duration
  }): Promise<boolean>
  end(id: string): Promise<void>
  /** The person has shown their password again. */
  noteAuthentication(id: string, at: Instant): Promise<void>
  /** Undefined where that has not happened since the session began. */
  authenticatedAt(id: string): Promise<Instant | undefined>
  /** Whether the session has neither ended nor been lost. */
  isAlive(id: string): Promise<boolean>
}

const rotateScript = `
local family = redis.call('HMGET', KEYS[1], 'current', 'previous', 'rotatedAt')
if not family[1] then return 'unknown' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if family[1] == ARGV[1] then
  redis.call('HSET', KEYS[1], 'current', ARGV[2], 'previous', ARGV[1], 'rotatedAt', now)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 'rotated'
end
if family[2] == ARGV[1] and now - family[3] <= tonumber(ARGV[4]) then return 'superseded' end
redis.call('DEL', KEYS[1])
return 'reused'
`

const moveScript = `
if redis.call('HGET', KEYS[1], 'current') ~= ARGV[1] then return 0 end
local authenticatedAt = redis.call('HGET', KEYS[1], 'authenticatedAt')
redis.call('DEL', KEYS[1])
if authenticatedAt then redis.call('HSET', KEYS[2], 'authenticatedAt', authenticatedAt) end
redis.call('HSET', KEYS[2], 'current', ARGV[2], 'previous', '', 'rotatedAt', '0')
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
`

/** Only where the family is there: one that has ended must not come back as a stump. */
const noteScript = `
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'authenticatedAt', ARGV[1]) end
return 0
`

const rotations: ReadonlySet<unknown> = new Set<Rotation>(['rotated', 'superseded', 'reused', 'unknown'])

/** @param options.leeway default 10 s. */
export function redisSessionFamilies(
  redis: RedisConnection,
  options: { readonly clock: Clock; readonly leeway?: Duration },
): SessionFamilies {
  const leeway = options.leeway ?? supersededLeeway
  // A Redis that hangs costs a second for each command: after three it is not asked for a moment.
  const breaker = new CircuitBreaker({ clock: options.clock, threshold: 3, pause: seconds(1) })
  const reaching = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!breaker.admit()) throw unreachable()
    try {
      const result = await work()
      breaker.succeeded()
      return result
    } catch (cause) {
      breaker.failed()
      throw unreachable(cause)
    }
  }
  return {
    begin: ({ id, refreshToken, timeToLive }) =>
      reaching(async () => {
        const key = keyOf(id)
        const results = await redis
          .multi()
          .hset(key, { current: digest(refreshToken), previous: '', rotatedAt: '0' })
          .pexpire(key, timeToLive)
          .exec()
        const failure = results?.find(([error]) => error !== null)?.[0]
        if (results === null || failure) throw failure ?? new Error('the transaction was discarded')
      }),
    rotate: ({ id, presented, next, timeToLive }) =>
      reaching(async () => {
        const result = await redis.eval(
          rotateScript,
          1,
          keyOf(id),
          digest(presented),
          digest(next),
          String(timeToLive),
          String(leeway),
        )
        if (!isRotation(result)) throw new Error('the script answered something else')
        return result
      }),
    move: ({ from, presented, to, next, timeToLive }) =>
      reaching(async () => {
        const keys = [keyOf(from), keyOf(to)] as const
        return (await redis.eval(moveScript, 2, ...keys, digest(presented), digest(next), String(timeToLive))) === 1
      }),
    end: (id) =>
      reaching(async () => {
        await redis.del(keyOf(id))
      }),
    noteAuthentication: (id, at) =>
      reaching(async () => {
        await redis.eval(noteScript, 1, keyOf(id), String(at))
      }),
    authenticatedAt: (id) =>
      reaching(async () => {
        const at = Number((await redis.hget(keyOf(id), 'authenticatedAt')) ?? Number.NaN)
        return Number.isNaN(at) ? undefined : instant(at)
      }),
    isAlive: (id) => reaching(async () => (await redis.exists(keyOf(id))) === 1),
  }
}

const isRotation = (value: unknown): value is Rotation => rotations.has(value)

const keyOf = (id: string): string => `sallyport:session:${id}`

/** A token's hash: whoever reads Redis can use none of what is there. */
const digest = (token: string): string => createHash('sha256').update(token).digest('base64url')

const unreachable = (cause?: unknown): CodedError =>
  new CodedError('cache-unavailable', 'Sessions cannot be reached now.', { cause })
