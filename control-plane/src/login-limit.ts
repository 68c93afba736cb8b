/**
 * How often one account may be tried from one address. Counted in Redis for all processes, for unknown accounts too.
 * Without Redis nobody logs in: there is no place for a session either.
 */

import { createHash } from 'node:crypto'
import type { Duration } from '@sallyport/clock'
import { minutes } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { RedisConnection } from '@sallyport/events'
import { callerNetwork } from '@sallyport/http'

export interface LoginLimit {
  /** Counts an attempt. @throws CodedError `rate-limited` with `retryAfterSeconds`, `cache-unavailable`. */
  admit(attempt: { readonly login: string; readonly address: string }): Promise<void>
  /** A success forgives the account's failures before it, and counts for nothing against the address. */
  forgive(attempt: { readonly login: string; readonly address: string }): Promise<void>
}

export interface LoginLimitOptions {
  /** Failures on one account from one address in a window. Default 10. */
  readonly perAccount?: number
  /** Failures from one address on any account in a window. Default 100. */
  readonly perAddress?: number
  readonly window?: Duration
}

const countScript = `
local wait = 0
for index, key in ipairs(KEYS) do
  local count = redis.call('INCR', key)
  if count == 1 then redis.call('PEXPIRE', key, ARGV[1]) end
  if count > tonumber(ARGV[index + 1]) then wait = math.max(wait, redis.call('PTTL', key)) end
end
return wait
`

const forgiveScript = `
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DECR', KEYS[2]) end
return 0
`

export function redisLoginLimit(redis: RedisConnection, options: LoginLimitOptions = {}): LoginLimit {
  const window = options.window ?? minutes(15)
  return {
    async admit(attempt) {
      const wait = Number(
        await reaching(() =>
          redis.eval(
            countScript,
            2,
            accountKey(attempt),
            addressKey(attempt),
            String(window),
            String(options.perAccount ?? 10),
            String(options.perAddress ?? 100),
          ),
        ),
      )
      if (wait === 0) return
      throw new CodedError('rate-limited', 'Too many attempts to log in.', {
        details: { retryAfterSeconds: Math.max(1, Math.ceil(wait / 1000)) },
      })
    },
    async forgive(attempt) {
      await reaching(() => redis.eval(forgiveScript, 2, accountKey(attempt), addressKey(attempt)))
    },
  }
}

const addressKey = ({ address }: { address: string }): string => `sallyport:login-address:${callerNetwork(address)}`

/** Hashed: what people type into the name field is sometimes their password. */
function accountKey({ login, address }: { login: string; address: string }): string {
  const account = createHash('sha256').update(login.toLowerCase()).digest('base64url')
  return `sallyport:login:${account}:${callerNetwork(address)}`
}

async function reaching<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new CodedError('cache-unavailable', 'Nobody can log in while Redis cannot be reached.', { cause })
  }
}
