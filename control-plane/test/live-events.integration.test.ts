import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { milliseconds, minutes } from '@sallyport/clock'
import { redisForTest } from '@sallyport/development'
import { createLogger } from '@sallyport/diagnostics'
import { connectRedis, type OutboxRow, type PublishedEvent, type RedisConnection } from '@sallyport/events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openEventFeed } from '../src/event-feed.ts'
import { type EventFilter, followEvents, type LiveEvents } from '../src/live-events.ts'

const log = createLogger({ service: 'test', level: 'silent' })
const mine = '00000000-0000-7000-8000-00000000000a'
const other = '00000000-0000-7000-8000-00000000000b'
const all: EventFilter = { organizationId: mine, userId: 'ada', topics: [], deviceId: undefined }

const event = (id: number, over: Partial<PublishedEvent> = {}): PublishedEvent => ({
  id: `event-${id}`,
  topic: 'device.online',
  organizationId: mine,
  deviceId: 'lamp',
  occurredAt: '2026-11-21T10:00:00.000Z',
  correlationId: 'c',
  data: { count: id },
  ...over,
})

let server: Awaited<ReturnType<typeof redisForTest>>
let redis: RedisConnection
let live: LiveEvents
let lost: OutboxRow[] = []

const publish = (sequence: number, published: PublishedEvent) =>
  redis.xadd('sallyport:events', '*', 'sequence', String(sequence), 'event', JSON.stringify(published))

beforeAll(async () => {
  server = await redisForTest()
  redis = connectRedis({ url: server.url, name: 'test' })
  if (redis.status !== 'ready') await new Promise((resolve) => redis.once('ready', resolve))
})
beforeEach(async () => {
  await redis.flushall()
  lost = []
  live = followEvents({
    redis: { url: server.url, name: 'live' },
    outbox: {
      between: async (after, before, limit) =>
        lost.filter((row) => row.sequence > after && row.sequence < before).slice(0, limit),
    },
    log,
  })
  // The subscriber reads from the end: it must be reading before a test publishes.
  const reading = new Promise<void>((resolve) => {
    live.watch({ ...all, organizationId: 'probe' }, undefined, () => resolve())
  })
  let probes = 0
  const probing = setInterval(() => void publish(0, event(0, { id: `probe-${probes++}`, organizationId: 'probe' })), 20)
  await reading
  clearInterval(probing)
})
afterEach(() => live.close())
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})

describe('live events', () => {
  it('for one person go to that person alone, also from the window, and to nobody when they name no one', async () => {
    const seen: string[] = []
    const seenByAnother: string[] = []
    const first = live.watch(all, undefined, ({ id }) => seen.push(id))
    live.watch({ ...all, userId: 'bob' }, undefined, ({ id }) => seenByAnother.push(id))
    await publish(1, event(1))
    await publish(2, event(2, { topic: 'notification.created', userId: 'ada' }))
    await publish(3, event(3, { topic: 'notification.created' }))
    await publish(4, event(4))
    await expect.poll(() => seenByAnother).toEqual(['event-1', 'event-4'])
    expect(seen).toEqual(['event-1', 'event-2', 'event-4'])
    first.stop()
    const again: string[] = []
    live.watch({ ...all, userId: 'bob' }, 'event-1', ({ id }) => again.push(id))
    expect(again).toEqual(['event-4'])
  })

  it('go to those who watch their organization, and to nobody else', async () => {
    const seen: string[] = []
    const seenByOther: string[] = []
    live.watch(all, undefined, ({ id }) => seen.push(id))
    live.watch({ ...all, organizationId: other }, undefined, ({ id }) => seenByOther.push(id))
    await publish(1, event(1))
    await publish(2, event(2, { organizationId: other }))
    await expect.poll(() => seenByOther).toEqual(['event-2'])
    expect(seen).toEqual(['event-1'])
  })

  it('are chosen by topic, by family of topics and by device', async () => {
    const seen: string[] = []
    live.watch({ ...all, topics: ['command.*', 'device.offline'], deviceId: 'lamp' }, undefined, ({ id }) =>
      seen.push(id),
    )
    await publish(1, event(1))
    await publish(2, event(2, { topic: 'device.offline' }))
    await publish(3, event(3, { topic: 'command.finished' }))
    await publish(4, event(4, { topic: 'command.finished', deviceId: 'heater' }))
    await publish(5, event(5, { topic: 'commands.finished' }))
    await publish(6, event(6, { topic: 'command.pending' }))
    await expect.poll(() => seen).toEqual(['event-2', 'event-3', 'event-6'])
  })

  it('are given again after the last one that was seen, in order and once', async () => {
    const seen: string[] = []
    live.watch(all, undefined, ({ id }) => seen.push(id))
    for (let id = 1; id <= 4; id += 1) await publish(id, event(id))
    await publish(4, event(4))
    await expect.poll(() => seen).toHaveLength(4)
    const again: string[] = []
    const watch = live.watch(all, 'event-2', ({ id }) => again.push(id))
    expect(again).toEqual(['event-3', 'event-4'])
    expect(watch.complete).toBe(true)
    expect(live.watch(all, 'event-of-yesterday', () => {}).complete).toBe(false)
  })

  it('that Redis lost come from the outbox', async () => {
    const seen: string[] = []
    live.watch(all, undefined, ({ id }) => seen.push(id))
    lost = [{ sequence: 2, event: event(2) }]
    await publish(1, event(1))
    await publish(3, event(3))
    await expect.poll(() => [...seen].sort()).toEqual(['event-1', 'event-2', 'event-3'])
  })

  it('that Redis lost come from the outbox, all of them, however many', async () => {
    const seen = new Set<string>()
    live.watch(all, undefined, ({ id }) => seen.add(id))
    lost = Array.from({ length: 2500 }, (_, index) => ({ sequence: index + 2, event: event(index + 2) }))
    await publish(1, event(1))
    await publish(2502, event(2502))
    await expect.poll(() => seen.size, { timeout: 5000 }).toBe(2502)
  })
})

describe('the feed', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const listening of servers.splice(0)) listening.close().closeAllConnections()
  })

  async function serve(handle: (response: ServerResponse) => void): Promise<string> {
    const listening = createServer((_request, response) => handle(response))
    servers.push(listening)
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
  }
  const longest = minutes(1)

  it('writes events with id and name, a heartbeat, and says why it ends', async () => {
    const url = await serve((response) => {
      const feed = openEventFeed(response, {
        headers: { 'x-own': '1' },
        heartbeat: milliseconds(20),
        longest: milliseconds(90),
      })
      feed.send(event(1))
    })
    const answer = await fetch(url)
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(answer.headers.get('x-own')).toBe('1')
    const text = await answer.text()
    expect(text).toContain(`id: event-1\nevent: device.online\ndata: ${JSON.stringify(event(1))}\n\n`)
    expect(text).toContain(': still here\n\n')
    expect(text).toMatch(/event: end\ndata: {"reason":"token-expired"}\n\n$/)
  })

  it('cuts a reader that does not keep up, and forgets it', async () => {
    let ended = false
    const url = await serve((response) => {
      const feed = openEventFeed(response, { headers: {}, heartbeat: longest, longest })
      feed.onEnded(() => {
        ended = true
      })
      const large = event(1, { data: 'x'.repeat(100_000) })
      const flood = setInterval(() => (ended ? clearInterval(flood) : feed.send(large)), 1)
    })
    // The body is never read.
    const answer = await fetch(url)
    expect(answer.status).toBe(200)
    await expect.poll(() => ended, { timeout: 10_000 }).toBe(true)
  })
})
