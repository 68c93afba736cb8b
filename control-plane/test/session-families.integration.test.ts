import { once } from 'node:events'
import { clockFrom, milliseconds, minutes, seconds } from '@sallyport/clock'
import { redisForTest } from '@sallyport/development'
import { connectRedis, type RedisConnection } from '@sallyport/events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { redisLoginLimit } from '../src/login-limit.ts'
import { redisSessionFamilies } from '../src/session-families.ts'

let server: Awaited<ReturnType<typeof redisForTest>>
let redis: RedisConnection

beforeAll(async () => {
  server = await redisForTest()
  redis = connectRedis({ url: server.url, name: 'test' })
  if (redis.status !== 'ready') await once(redis, 'ready')
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})

const timeToLive = minutes(1)
const clock = clockFrom(() => Date.now())

describe('refresh families', () => {
  it('[1.4] of 20 parallel refreshes exactly one wins, whoever they are; the others are told within the leeway', async () => {
    const families = redisSessionFamilies(redis, { clock })
    for (let round = 0; round < 10; round += 1) {
      const id = `parallel-${round}`
      await families.begin({ id, refreshToken: 'first', timeToLive })
      const rotations = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          families.rotate({ id, presented: 'first', next: `next-${index}`, timeToLive }),
        ),
      )
      expect(rotations.filter((rotation) => rotation === 'rotated')).toHaveLength(1)
      expect(rotations.filter((rotation) => rotation === 'superseded')).toHaveLength(19)
      const winner = `next-${rotations.indexOf('rotated')}`
      expect(await families.rotate({ id, presented: winner, next: 'after', timeToLive })).toBe('rotated')
    }
  })

  it('[1.4] an old token after the leeway ends the family: the newest one is worth nothing then', async () => {
    const families = redisSessionFamilies(redis, { clock, leeway: milliseconds(30) })
    const id = 'stolen'
    await families.begin({ id, refreshToken: 'a', timeToLive })
    await families.rotate({ id, presented: 'a', next: 'b', timeToLive })
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(await families.rotate({ id, presented: 'a', next: 'thief', timeToLive })).toBe('reused')
    expect(await families.rotate({ id, presented: 'b', next: 'c', timeToLive })).toBe('unknown')
    expect(await families.isAlive(id)).toBe(false)
  })

  it('[1.4] a token two rotations old ends the family even within the leeway', async () => {
    const families = redisSessionFamilies(redis, { clock, leeway: seconds(60) })
    const id = 'older'
    await families.begin({ id, refreshToken: 'a', timeToLive })
    await families.rotate({ id, presented: 'a', next: 'b', timeToLive })
    await families.rotate({ id, presented: 'b', next: 'c', timeToLive })
    expect(await families.rotate({ id, presented: 'a', next: 'thief', timeToLive })).toBe('reused')
  })

  it('[1.1] keeps no token, only its hash, and ends by itself', async () => {
    const families = redisSessionFamilies(redis, { clock })
    await families.begin({ id: 'kept', refreshToken: 'eyJ.secret.token', timeToLive: milliseconds(60) })
    expect(JSON.stringify(await redis.hgetall('sallyport:session:kept'))).not.toContain('secret')
    expect(await families.isAlive('kept')).toBe(true)
    await expect.poll(() => families.isAlive('kept')).toBe(false)
  })

  it('knows no family that it has lost', async () => {
    const families = redisSessionFamilies(redis, { clock })
    await families.begin({ id: 'lost', refreshToken: 'a', timeToLive })
    await redis.flushall()
    expect(await families.rotate({ id: 'lost', presented: 'a', next: 'b', timeToLive })).toBe('unknown')
  })
})

describe('the limit of attempts to log in', () => {
  const attempt = { login: 'Admin', address: '192.0.2.1' }

  it('counts per account and address, in any letter case, and says how long to wait', async () => {
    const limit = redisLoginLimit(redis, { perAccount: 3, window: seconds(60) })
    for (let count = 0; count < 3; count += 1) await limit.admit(attempt)
    await expect(limit.admit({ ...attempt, login: 'ADMIN' })).rejects.toMatchObject({
      code: 'rate-limited',
      details: { retryAfterSeconds: 60 },
    })
    await limit.admit({ ...attempt, login: 'other' })
    await limit.admit({ ...attempt, address: '192.0.2.2' })
  })

  it('forgives after a success', async () => {
    const limit = redisLoginLimit(redis, { perAccount: 1 })
    const other = { login: 'forgiven', address: '192.0.2.3' }
    await limit.admit(other)
    await limit.forgive(other)
    await limit.admit(other)
  })

  it('counts no success against the address, where many people may sit', async () => {
    const limit = redisLoginLimit(redis, { perAddress: 3 })
    for (let count = 0; count < 10; count += 1) {
      const person = { login: `person-${count}`, address: '192.0.2.20' }
      await limit.admit(person)
      await limit.forgive(person)
    }
  })

  it('counts one address over all accounts', async () => {
    const limit = redisLoginLimit(redis, { perAddress: 5 })
    const from = (login: string) => limit.admit({ login, address: '192.0.2.9' })
    for (let count = 0; count < 5; count += 1) await from(`user-${count}`)
    await expect(from('user-6')).rejects.toMatchObject({ code: 'rate-limited' })
  })
})

describe('without Redis', () => {
  it('neither logs in nor refreshes anybody, and says so at once', async () => {
    const gone = connectRedis({ url: 'redis://127.0.0.1:1', name: 'gone' })
    const started = performance.now()
    const refused = { code: 'cache-unavailable' }
    await expect(redisLoginLimit(gone).admit({ login: 'a', address: 'b' })).rejects.toMatchObject(refused)
    const families = redisSessionFamilies(gone, { clock })
    await expect(families.begin({ id: 'a', refreshToken: 'b', timeToLive })).rejects.toMatchObject(refused)
    await expect(families.rotate({ id: 'a', presented: 'b', next: 'c', timeToLive })).rejects.toMatchObject(refused)
    expect(performance.now() - started).toBeLessThan(1500)
    gone.disconnect()
  })
})
