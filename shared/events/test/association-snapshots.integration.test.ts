import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { instant, ManualClock, minutes, seconds } from '@sallyport/clock'
import { freeTcpPort, type RedisProcess, startRedisServer } from '@sallyport/development'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type AssociationSnapshot,
  type AssociationSnapshots,
  connectRedis,
  type RedisConnection,
  redisAssociationSnapshots,
} from '../src/index.ts'

const lifetime = minutes(10)
const made = (from: number, count: number): AssociationSnapshot[] =>
  Array.from({ length: count }, (_, index) => ({ id: `association-${from + index}`, sealed: randomBytes(1200) }))

describe('snapshots of associations', () => {
  let home: string
  let port: number
  let server: RedisProcess
  let redis: RedisConnection
  let clock: ManualClock
  let snapshots: AssociationSnapshots

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'sallyport-snapshots-'))
    port = await freeTcpPort()
    server = await startRedisServer({ home, port })
    redis = connectRedis({ url: server.url, name: 'test' })
    await new Promise((resolve) => redis.once('ready', resolve))
    clock = new ManualClock(instant(1_800_000_000_000))
    snapshots = redisAssociationSnapshots({ redis, clock, lifetime })
  })
  afterEach(async () => {
    redis.disconnect()
    await server.stop()
    rmSync(home, { recursive: true, force: true })
  })

  async function loaded(shard: number): Promise<Map<string, string>> {
    const all = new Map<string, string>()
    for await (const { id, sealed } of snapshots.load(shard)) {
      expect(all.has(id), `${id} twice`).toBe(false)
      all.set(id, Buffer.from(sealed).toString('hex'))
    }
    return all
  }
  const shown = (entries: readonly AssociationSnapshot[]) =>
    new Map(entries.map(({ id, sealed }) => [id, Buffer.from(sealed).toString('hex')]))

  it('come back as they were put, the latest of each, of their shard alone', async () => {
    const [first, second, other] = [made(0, 3), made(2, 2), made(0, 1)]
    await snapshots.put(1, first)
    await snapshots.put(1, second)
    await snapshots.put(2, other)
    expect(await loaded(1)).toEqual(new Map([...shown(first), ...shown(second)]))
    expect(await loaded(2)).toEqual(shown(other))
    expect(await loaded(3)).toEqual(new Map())
    await snapshots.remove(1, ['association-0', 'association-3', 'never-there'])
    expect([...(await loaded(1)).keys()].sort()).toEqual(['association-1', 'association-2'])
  })

  it('take nothing from a larger buffer that they lie in', async () => {
    const buffer = randomBytes(64)
    await snapshots.put(1, [{ id: 'a', sealed: buffer.subarray(10, 20) }])
    expect(await loaded(1)).toEqual(new Map([['a', buffer.toString('hex', 10, 20)]]))
  })

  it('[6.3] twenty thousand are put and loaded within seconds', async () => {
    const all = made(0, 20_000)
    const began = performance.now()
    await snapshots.put(1, all)
    const put = performance.now()
    const back = await loaded(1)
    const end = performance.now()
    expect(back.size).toBe(20_000)
    process.stdout.write(`20 000 snapshots: put ${Math.round(put - began)} ms, loaded ${Math.round(end - put)} ms\n`)
    // Bounds, not figures: other work shares the machine.
    expect(end - put).toBeLessThan(seconds(5))
    expect(put - began).toBeLessThan(seconds(10))
  })

  it('end after their time, also when nobody removed them', async () => {
    await snapshots.put(1, made(0, 2))
    clock.advance(minutes(6))
    await snapshots.put(1, made(1, 1))
    clock.advance(minutes(5))
    expect([...(await loaded(1)).keys()]).toEqual(['association-1'])
    expect(await redis.hlen('sallyport:associations:1')).toBe(1)
    expect(await redis.pttl('sallyport:associations:1')).toBeGreaterThan(0)
    expect(await redis.pttl('sallyport:associations:1:ends')).toBeGreaterThan(0)
  })

  it('[6.3] a flushed Redis gives none, and takes new ones', async () => {
    await snapshots.put(1, made(0, 10))
    await redis.flushall()
    expect(await loaded(1)).toEqual(new Map())
    await snapshots.put(1, made(0, 2))
    expect((await loaded(1)).size).toBe(2)
  })

  it('are loaded by who has only just begun to connect', async () => {
    await snapshots.put(1, made(0, 3))
    const fresh = connectRedis({ url: server.url, name: 'test' })
    const ids: string[] = []
    for await (const { id } of redisAssociationSnapshots({ redis: fresh, clock, lifetime }).load(1)) ids.push(id)
    expect(ids).toHaveLength(3)
    fresh.disconnect()
  })

  it('a Redis that is gone is said so at once, and is used again when it is back', async () => {
    await snapshots.put(1, made(0, 10))
    await server.process.stop('SIGKILL')
    const began = performance.now()
    const refused = { code: 'cache-unavailable' }
    await expect(snapshots.put(1, made(0, 1000))).rejects.toMatchObject(refused)
    await expect(snapshots.remove(1, ['association-0'])).rejects.toMatchObject(refused)
    await expect(loaded(1)).rejects.toMatchObject(refused)
    expect(performance.now() - began).toBeLessThan(seconds(4))
    server = await startRedisServer({ home, port })
    await expect
      .poll(
        () =>
          snapshots.put(1, made(0, 1)).then(
            () => true,
            () => false,
          ),
        { timeout: 10_000 },
      )
      .toBe(true)
    expect((await loaded(1)).size).toBeGreaterThan(0)
  })

  it('a Redis that hangs is not waited for', async () => {
    process.kill(server.process.pid, 'SIGSTOP')
    try {
      const began = performance.now()
      await expect(snapshots.put(1, made(0, 2000))).rejects.toMatchObject({ code: 'cache-unavailable' })
      expect(performance.now() - began).toBeLessThan(seconds(4))
    } finally {
      process.kill(server.process.pid, 'SIGCONT')
    }
  })
})
