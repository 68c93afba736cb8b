import { readFileSync } from 'node:fs'
import { redisForTest } from '@sallyport/development'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  connectRedis,
  defaultRedisUserLine,
  type RedisGrant,
  type RedisUser,
  redisConnectionCommands,
  redisUserLine,
  redisUsers,
} from '../src/index.ts'

let server: Awaited<ReturnType<typeof redisForTest>>
let operator: Redis
beforeAll(async () => {
  server = await redisForTest()
  operator = new Redis(server.url)
})
afterAll(async () => {
  operator.disconnect()
  await server.stop()
})

const users = Object.entries(redisUsers) as readonly [RedisUser, readonly RedisGrant[]][]
const grants = users.flatMap(([user, own]) => own.map((grant) => ({ user, ...grant })))

/** Arguments with which a command touches this key. */
function touching(command: string, key: string): readonly string[] {
  switch (command) {
    case 'xread':
      return ['STREAMS', key, '0']
    case 'eval':
    case 'evalsha':
      return ['return 1', '1', key]
    case 'exists':
    case 'del':
    case 'incr':
    case 'decr':
    case 'pttl':
    case 'get':
    case 'dump':
    case 'persist':
      return [key]
    case 'xrange':
    case 'xrevrange':
      return [key, '-', '+']
    case 'zrangebyscore':
      return [key, '-inf', '0']
    case 'xadd':
      return [key, '*', 'field', 'value']
    case 'hset':
      return [key, 'field', 'value']
    case 'zadd':
      return [key, '1', 'member']
    default:
      return [key, '1']
  }
}
const isAllowed = async (user: RedisUser, command: string, ...rest: readonly string[]) =>
  (await operator.call('acl', 'dryrun', user, command, ...rest)) === 'OK'
const keyOf = (pattern: string): string => pattern.replace('*', '7')

describe('the users of Redis', () => {
  it.each(users.map(([user]) => user))(
    '%s may do on each key what its table says, and nothing else there',
    async (user) => {
      const all = [
        ...new Set(grants.flatMap(({ commands }) => commands)),
        'get',
        'set',
        'rename',
        'dump',
        'expire',
        'persist',
      ]
      let refused = 0
      for (const pattern of new Set(grants.map(({ keys }) => keys))) {
        const own = grants.filter((grant) => grant.user === user && grant.keys === pattern)
        for (const command of all) {
          const expected = own.some(({ commands }) => commands.includes(command))
          const allowed = await isAllowed(user, command, ...touching(command, keyOf(pattern)))
          expect(allowed, `${user} ${command} ${pattern}`).toBe(expected)
          if (!expected) refused += 1
        }
      }
      expect(refused).toBeGreaterThan(50)
    },
  )

  it.each(users.map(([user]) => user))(
    '%s has nothing to do with other keys, other users, the server or all keys at once',
    async (user) => {
      for (const command of new Set(grants.flatMap(({ commands }) => commands))) {
        expect(await isAllowed(user, command, ...touching(command, 'sallyport:other')), command).toBe(false)
      }
      for (const [command, ...rest] of [
        ['keys', '*'],
        ['scan', '0'],
        ['randomkey'],
        ['dbsize'],
        ['flushall'],
        ['flushdb'],
        ['config', 'get', '*'],
        ['acl', 'list'],
        ['client', 'list'],
        ['client', 'kill', 'type', 'normal'],
        ['debug', 'sleep', '0'],
        ['shutdown'],
        ['replicaof', 'no', 'one'],
        ['script', 'flush'],
        ['function', 'list'],
        ['monitor'],
        ['publish', 'channel', 'message'],
        ['swapdb', '0', '1'],
        ['migrate', '127.0.0.1', '1', 'key', '0', '1'],
      ] as const) {
        expect(await isAllowed(user, command, ...rest), command).toBe(false)
      }
      for (const command of redisConnectionCommands) {
        const [name = '', sub] = command.split('|')
        expect(await isAllowed(user, name, ...(sub === undefined ? [] : [sub, 'x']))).toBe(true)
      }
    },
  )

  it('a script does no more than its user may', async () => {
    const { SALLYPORT_REDIS_URL: url, SALLYPORT_REDIS_PASSWORD_FILE: passwordFile } =
      server.environmentOf('sallyport-control-plane')
    const redis = connectRedis({ url, passwordFile, name: 'test' })
    if (redis.status !== 'ready') await new Promise((resolve) => redis.once('ready', resolve))
    expect(await redis.eval("return redis.call('INCR', KEYS[1])", 1, 'sallyport:requests:user:1')).toBe(1)
    for (const call of ["'FLUSHALL'", "'GET', 'sallyport:other'", "'HSET', 'sallyport:associations:1', 'a', 'b'"]) {
      await expect(redis.eval(`return redis.call(${call})`, 1, 'sallyport:requests:user:1')).rejects.toThrow(
        /can't (run|access)|NOPERM/,
      )
    }
    redis.disconnect()
  })

  it('nobody comes in without a name, nor with another user’s password', async () => {
    const { port } = new URL(server.url)
    const { SALLYPORT_REDIS_PASSWORD_FILE: file } = server.environmentOf('sallyport-gateway')
    const password = readFileSync(file, 'utf8').trim()
    for (const login of [{}, { password }, { username: 'sallyport-control-plane', password }]) {
      const options = { port: Number(port), retryStrategy: () => null, lazyConnect: true, enableOfflineQueue: true }
      const redis = new Redis({ ...options, ...login })
      redis.on('error', () => undefined)
      await expect(redis.connect().then(() => redis.ping())).rejects.toThrow()
      redis.disconnect()
    }
  })

  it('are documented as they are', () => {
    const page = readFileSync(new URL('../../../docs/redis.md', import.meta.url), 'utf8')
    expect(page).toContain(defaultRedisUserLine)
    for (const [user] of users) expect(page).toContain(redisUserLine(user, `#SHA256-OF-THE-PASSWORD`))
  })
})
