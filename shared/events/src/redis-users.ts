/**
 * Who may do what in Redis: a user for each service that needs one, for each of its keys the commands that its work takes, and
 * nothing else (Redis 7: selectors). The dps needs no Redis and has no user; the default user is off.
 *
 * A service that uses a new key gets it here; its own tests run as this user.
 */

export interface RedisGrant {
  /** A glob of Redis. */
  readonly keys: string
  readonly commands: readonly string[]
  readonly why: string
}

/** What any connection of ours sends, on no key. */
export const redisConnectionCommands = ['ping', 'info', 'client|setname', 'multi', 'exec', 'discard', 'time'] as const

export const redisUsers = {
  'sallyport-control-plane': [
    {
      keys: 'sallyport:events',
      commands: ['xadd', 'xread', 'xrange', 'xrevrange'],
      why: 'the stream of events: relays write it, live feeds read it',
    },
    {
      keys: 'sallyport:session:*',
      commands: ['hset', 'hget', 'hmget', 'pexpire', 'exists', 'del', 'eval', 'evalsha'],
      why: "people's sessions",
    },
    {
      keys: 'sallyport:login*',
      commands: ['incr', 'decr', 'pexpire', 'pttl', 'exists', 'del', 'eval', 'evalsha'],
      why: 'how often it was tried to log in, by account and by network',
    },
    {
      keys: 'sallyport:requests:*',
      commands: ['incr', 'pexpire', 'pttl', 'eval', 'evalsha'],
      why: 'how many requests a caller made',
    },
  ],
  'sallyport-gateway': [
    {
      keys: 'sallyport:associations:*',
      commands: ['hset', 'hdel', 'hscan', 'zadd', 'zrem', 'zrangebyscore', 'pexpire'],
      why: 'sealed snapshots of associations',
    },
  ],
} as const satisfies Readonly<Record<string, readonly RedisGrant[]>>

export type RedisUser = keyof typeof redisUsers

/** @param password as Redis takes it: `#` and the SHA-256 of the password in hexadecimal, so that the file holds none. */
export function redisUserLine(user: RedisUser, password: string): string {
  const selectors = redisUsers[user].map(
    ({ keys, commands }: RedisGrant) => `(~${keys} -@all ${commands.map((command) => `+${command}`).join(' ')})`,
  )
  const onAnyConnection = redisConnectionCommands.map((command) => `+${command}`).join(' ')
  return `user ${user} reset on ${password} -@all ${onAnyConnection} ${selectors.join(' ')}`
}

export const defaultRedisUserLine = 'user default off'
