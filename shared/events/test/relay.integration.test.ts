import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { milliseconds } from '@sallyport/clock'
import { freeTcpPort, type RedisProcess, startRedisServer } from '@sallyport/development'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  connectRedis,
  type OutboxPort,
  type OutboxRow,
  type RedisConnection,
  redisReadiness,
  startRelay,
  subscribeEvents,
} from '../src/index.ts'

const row = (position: number): OutboxRow => ({
  position,
  event: {
    id: `event-${position}`,
    topic: 'device.online',
    organizationId: 'organization',
    deviceId: 'device',
    occurredAt: '2026-01-01T00:00:00.000Z',
    correlationId: 'correlation',
    data: { position },
  },
})

/** Rows in memory with the outbox's contract; the real table is tested where it is. */
class RowsInMemory implements OutboxPort {
  unpublished: OutboxRow[] = []
  failMarking = false

  add(...positions: number[]): void {
    this.unpublished.push(...positions.map(row))
  }

  async publishBatch(limit: number, publish: (rows: readonly OutboxRow[]) => Promise<void>): Promise<number> {
    const batch = this.unpublished.slice(0, limit)
    if (batch.length > 0) await publish(batch)
    if (this.failMarking && batch.length > 0) throw new Error('the reply to COMMIT was lost')
    this.unpublished = this.unpublished.filter((waiting) => !batch.includes(waiting))
    return batch.length
  }
}

describe('relay and subscription', () => {
  let home: string
  let port: number
  let server: RedisProcess
  let redis: RedisConnection
  const closing: (() => Promise<void>)[] = []

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'sallyport-redis-'))
    port = await freeTcpPort()
    server = await startRedisServer({ home, port })
    redis = connectRedis({ url: server.url, name: 'test' })
    await vi.waitFor(() => redisReadiness(redis).check(), 5_000)
  })

  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
    redis.disconnect()
    await server.stop()
    rmSync(home, { recursive: true, force: true })
  })

  function relayFrom(outbox: OutboxPort, poll = 50): void {
    const relay = startRelay({ outbox, redis, pollEvery: milliseconds(poll) })
    closing.push(() => relay.close())
  }

  async function subscribe(): Promise<{ positions: number[] }> {
    const positions: number[] = []
    const subscription = subscribeEvents({
      redis: { url: server.url, name: 'test' },
      from: '0',
      onEvent: ({ position }) => positions.push(position),
    })
    closing.push(() => subscription.close())
    return { positions }
  }

  it('delivers what is committed, once, and when it is woken without waiting for the poll', async () => {
    const outbox = new RowsInMemory()
    let nudge = (): void => {}
    const relay = startRelay({
      outbox,
      redis,
      pollEvery: milliseconds(60_000),
      wake: async (wake) => {
        nudge = wake
        return async () => {}
      },
    })
    closing.push(() => relay.close())
    const { positions } = await subscribe()
    await new Promise((resolve) => setTimeout(resolve, 100))
    outbox.add(1, 2, 3)
    nudge()
    await vi.waitFor(() => expect(positions).toEqual([1, 2, 3]), 2_000)
    expect(outbox.unpublished).toEqual([])
  })

  it('loses no event while Redis is gone, and delivers again when it is back', async () => {
    const outbox = new RowsInMemory()
    relayFrom(outbox)
    const { positions } = await subscribe()
    outbox.add(1)
    await vi.waitFor(() => expect(positions).toEqual([1]), 3_000)
    await server.process.stop('SIGKILL', 5_000)
    outbox.add(2, 3)
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(outbox.unpublished).toHaveLength(2)
    server = await startRedisServer({ home, port })
    await vi.waitFor(() => expect(positions).toEqual([1, 2, 3]), 10_000)
    expect(outbox.unpublished).toEqual([])
  })

  it('goes on after a flush, and what was lost shows as a hole in the positions', async () => {
    const outbox = new RowsInMemory()
    const { positions } = await subscribe()
    relayFrom(outbox)
    outbox.add(1)
    await vi.waitFor(() => expect(positions).toEqual([1]), 3_000)
    // Rows 2 and 3 were published into a stream that a flush then emptied before anybody read them.
    await redis.flushall()
    outbox.add(4)
    await vi.waitFor(() => expect(positions).toEqual([1, 4]), 3_000)
  })

  it('gives the repeats of a relay that could not mark what it had sent their own positions', async () => {
    const outbox = new RowsInMemory()
    const { positions } = await subscribe()
    outbox.add(1)
    outbox.failMarking = true
    relayFrom(outbox, 20)
    await vi.waitFor(async () => expect(await redis.xlen('sallyport:events')).toBeGreaterThan(2), 3_000)
    outbox.failMarking = false
    outbox.add(2)
    await vi.waitFor(() => expect(positions.at(-1)).toBe(2), 3_000)
    expect(new Set(positions)).toEqual(new Set([1, 2]))
  })

  it('rejects a command at once while Redis is gone, and never waits for it', async () => {
    await server.process.stop('SIGKILL', 5_000)
    const start = performance.now()
    await expect(redis.get('x')).rejects.toThrow()
    await expect(redisReadiness(redis).check()).rejects.toMatchObject({ code: 'cache-unavailable' })
    expect(performance.now() - start).toBeLessThan(1_500)
    server = await startRedisServer({ home, port })
    await vi.waitFor(() => redisReadiness(redis).check(), 5_000)
  })

  it('passes over stream entries that are not ours', async () => {
    const { positions } = await subscribe()
    await redis.xadd('sallyport:events', '*', 'event', '{"id":1}', 'position', '1')
    await redis.xadd('sallyport:events', '*', 'event', 'not json', 'position', '2')
    await redis.xadd('sallyport:events', '*', 'event', JSON.stringify(row(9).event), 'position', '-1')
    await redis.xadd('sallyport:events', '*', 'other', 'x')
    relayFrom(Object.assign(new RowsInMemory(), { unpublished: [row(3)] }))
    await vi.waitFor(() => expect(positions).toEqual([3]), 3_000)
  })
})
