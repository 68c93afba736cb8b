/**
 * A connection to Redis that never makes a caller wait for a Redis that is gone.
 *
 * The client's defaults queue commands for ever while it reconnects; here a command fails within a second and the connection
 * comes back by itself. A command that was under way when the connection broke is not sent again: its author decides.
 */

import { readFileSync } from 'node:fs'
import { type Duration, milliseconds, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import { Redis } from 'ioredis'

export type RedisConnection = Redis

export interface RedisOptions {
  readonly url: string
  /** With the password, where the URL has none. Read once, now. */
  readonly passwordFile?: string | undefined
  /** Shown in Redis's client list: the service. */
  readonly name: string
  readonly log?: Logger
}

const slowestReconnect = seconds(2)

/** How long one command may take. */
const commandTimeout = seconds(1)

/** Returns at once; the connection is made, and made again, in the background. Commands meanwhile reject. */
export function connectRedis(options: RedisOptions): RedisConnection {
  return connect(options, { commandTimeout })
}

/**
 * A connection for commands that block for up to `longest`. A Redis that then says nothing at all is taken for gone, also where
 * the network swallowed the connection's end.
 */
export function connectBlockingRedis(options: RedisOptions, longest: Duration): RedisConnection {
  return connect(options, { socketTimeout: longest + commandTimeout + seconds(2) })
}

function connect(
  options: RedisOptions,
  patience: { commandTimeout?: number; socketTimeout?: number },
): RedisConnection {
  const redis = new Redis(withPassword(options), {
    connectionName: `sallyport-${options.name}`,
    // RESP2: replies have one shape, whatever the server is.
    protocol: 2,
    // Redis before 7.2 has no such command, and no right to it can be given there.
    disableClientInfo: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: seconds(2),
    keepAlive: seconds(10),
    retryStrategy: (attempt) => Math.min(milliseconds(50 * attempt), slowestReconnect),
    ...patience,
  })
  let reachable: boolean | undefined
  redis.on('ready', () => {
    if (reachable === false) options.log?.info({ redis: options.name }, 'Redis is reachable again')
    reachable = true
  })
  // One line per outage, not one per attempt.
  redis.on('error', (error: unknown) => {
    if (reachable !== false) options.log?.warn({ redis: options.name, err: error }, 'Redis cannot be reached')
    reachable = false
  })
  return redis
}

/** A readiness check: @throws CodedError `cache-unavailable`. */
export function redisReadiness(redis: RedisConnection): { check(): Promise<void> } {
  return {
    async check() {
      try {
        await redis.ping()
      } catch (cause) {
        throw new CodedError('cache-unavailable', 'Redis does not answer', { cause })
      }
    },
  }
}

/** @throws CodedError `configuration-invalid` for a file that cannot be read. */
function withPassword({ url, passwordFile }: RedisOptions): string {
  const parsed = new URL(url)
  if (passwordFile === undefined || parsed.password !== '') return url
  try {
    parsed.password = encodeURIComponent(readFileSync(passwordFile, 'utf8').trim())
  } catch (cause) {
    throw new CodedError('configuration-invalid', `SALLYPORT_REDIS_PASSWORD_FILE cannot be read: ${passwordFile}`, {
      cause,
    })
  }
  return parsed.href
}
