import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clockFrom, milliseconds, minutes } from '@sallyport/clock'
import {
  databaseForTest,
  freeTcpPort,
  type RedisProcess,
  startRedisServer,
  type TestDatabase,
} from '@sallyport/development'
import { createLogger } from '@sallyport/diagnostics'
import { connectRedis, type PublishedEvent, type RedisConnection, type Relay, startRelay } from '@sallyport/events'
import { migrate, openStore, type Store } from '@sallyport/store'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openEventFeed } from '../src/event-feed.ts'
import { type EventFilter, matches } from '../src/event-filter.ts'
import { followEvents, type LiveEvent, type LiveEvents, type Watching } from '../src/live-events.ts'

const log = createLogger({ service: 'test', level: 'silent' })
const [mine, other, lamp, heater, group] = Array.from({ length: 5 }, () => randomUUID()) as [
  string,
  string,
  string,
  string,
  string,
]
const [ada, bob] = [randomUUID(), randomUUID()]
const all: EventFilter = { organizationId: mine, userId: ada, topics: [], deviceIds: [], groupIds: [] }
const within = { timeout: 8000, interval: 10 }

let database: TestDatabase
let home: string
let port: number
let redis: RedisProcess
let connection: RedisConnection
let store: Store
const closing: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  database = await databaseForTest({ migrate: (url) => migrate({ connectionString: url }) })
  store = await openStore({
    connectionString: database.urlAs('sallyport_control_plane'),
    applicationName: 'test',
    clock: clockFrom(() => Date.now()),
  })
  sql(`insert into organization (id, name) values ('${mine}', 'Mine'), ('${other}', 'Other')`)
  home = mkdtempSync(join(tmpdir(), 'sallyport-live-'))
  port = await freeTcpPort()
  redis = await startRedisServer({ home, port })
})
beforeEach(() => {
  connection = connectRedis({ url: redis.url, name: 'test' })
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  connection.disconnect()
})
afterAll(async () => {
  await store.close()
  await redis.stop()
  await database.drop()
  rmSync(home, { recursive: true, force: true })
})

const sql = (statement: string): string =>
  execFileSync('psql', ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-d', database.url, '-c', statement], {
    encoding: 'utf8',
  }).trim()

/** Written as the services do: committed, and the relays woken. `n` tells the events of a test apart. */
function write(from: number, to: number, event: Partial<Omit<PublishedEvent, 'data'>> = {}): void {
  const text = (value: string | undefined) => (value === undefined ? 'null' : `'${value}'`)
  sql(`insert into outbox (id, topic, organization_id, device_id, group_id, user_id, correlation_id, data)
    select gen_random_uuid(), '${event.topic ?? 'device.online'}', '${event.organizationId ?? mine}', ${text(event.deviceId)},
      ${text(event.groupId)}, ${text(event.userId)}, 'c', json_build_object('n', n)
    from generate_series(${from}, ${to}) n order by n;
    select pg_notify('outbox', '')`)
}

async function node(
  options: { windowSize?: number; mostMissed?: number; redisUrl?: string } = {},
): Promise<LiveEvents> {
  const { redisUrl = redis.url, ...sizes } = options
  const live = await followEvents({ redis: { url: redisUrl, name: 'live' }, store, log, ...sizes })
  closing.push(() => live.close())
  return live
}

function relay(): Relay {
  const relayRedis = connectRedis({ url: redis.url, name: 'relay' })
  const started = startRelay({
    outbox: store.outbox,
    redis: relayRedis,
    wake: (nudge) => store.listen('outbox', nudge, nudge),
    pollEvery: milliseconds(200),
  })
  closing.push(async () => {
    await started.close()
    relayRedis.disconnect()
  })
  return started
}

const numberOf = ({ event }: LiveEvent): number => (event.data as { n: number }).n

function watch(
  live: LiveEvents,
  filter: Partial<EventFilter> = {},
  lastEventId?: string,
): Watching & { seen: number[]; ids: string[]; lost: number } {
  const seen: number[] = []
  const ids: string[] = []
  let lost = 0
  const watching = live.watch({
    filter: { ...all, ...filter },
    lastEventId,
    onEvent(event) {
      seen.push(numberOf(event))
      ids.push(event.event.id)
    },
    onLost() {
      lost += 1
    },
  })
  return {
    seen,
    ids,
    begun: watching.begun,
    stop: () => watching.stop(),
    get after() {
      return watching.after
    },
    get lost() {
      return lost
    },
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe('who sees what', () => {
  const event = (over: Partial<PublishedEvent>): PublishedEvent => ({
    id: randomUUID(),
    topic: 'device.online',
    organizationId: mine,
    occurredAt: '2026-11-21T10:00:00.000Z',
    correlationId: 'c',
    data: {},
    ...over,
  })

  it('is what is for one person alone only that person, and nobody when it names no one', () => {
    const told = event({ topic: 'notification.created', userId: ada })
    expect(matches(all, told)).toBe(true)
    expect(matches({ ...all, userId: bob }, told)).toBe(false)
    expect(matches({ ...all, userId: undefined }, told)).toBe(false)
    const nobody = event({ topic: 'notification.created' })
    expect([all, { ...all, userId: undefined }].map((filter) => matches(filter, nobody))).toEqual([false, false])
  })

  it('[6.26] is chosen by topic, by family of topics, by device and by group, all of which have to match', () => {
    const filter = { ...all, topics: ['command.*', 'device.offline'], deviceIds: [lamp], groupIds: [group] }
    const good = { topic: 'command.finished', deviceId: lamp, groupId: group }
    expect(matches(filter, event(good))).toBe(true)
    expect(matches(filter, event({ ...good, topic: 'device.offline' }))).toBe(true)
    for (const wrong of [
      { ...good, topic: 'device.online' },
      { ...good, topic: 'commands.finished' },
      { ...good, deviceId: heater },
      { ...good, groupId: randomUUID() },
      { topic: 'command.finished', groupId: group },
      { topic: 'command.finished', deviceId: lamp },
      { ...good, organizationId: other },
    ]) {
      expect(matches(filter, event(wrong)), JSON.stringify(wrong)).toBe(false)
    }
  })
})

describe('live events on two nodes', () => {
  it('reach the watchers of both, each once and in order, whichever relay takes them', async () => {
    const [one, two] = [await node(), await node()]
    const watchers = [watch(one), watch(two), watch(two, { organizationId: other })]
    relay()
    relay()
    for (let from = 1; from <= 1801; from += 300) write(from, from + 299)
    await expect.poll(() => watchers[1]?.seen.length, within).toBe(2100)
    await expect.poll(() => watchers[0]?.seen, within).toEqual(range(1, 2100))
    expect(watchers[1]?.seen).toEqual(range(1, 2100))
    expect(watchers[2]?.seen).toEqual([])
  })

  it('come through Postgres within a second when nobody brings them to Redis', async () => {
    const live = await node()
    const watching = watch(live)
    write(1, 3)
    await store.outbox.number()
    await expect.poll(() => watching.seen, { timeout: 1000, interval: 5 }).toEqual([1, 2, 3])
    expect(live.recovered).toBe(3)
  })

  it('[F45] are neither lost nor doubled nor out of order when Redis is emptied and killed under them', async () => {
    const [one, two] = [await node(), await node()]
    const watchers = [watch(one), watch(two)]
    relay()
    relay()
    for (let round = 0; round < 12; round += 1) {
      write(round * 100 + 1, round * 100 + 100)
      if (round === 2 || round === 4) await connection.flushall().catch(() => {})
      if (round === 6) await redis.process.stop('SIGKILL', 5000)
      if (round === 9) redis = await startRedisServer({ home, port })
    }
    for (const { seen } of watchers) await expect.poll(() => seen.length, within).toBe(1200)
    for (const { seen, lost } of watchers) expect([seen, lost]).toEqual([range(1, 1200), 0])
  })

  it('are what Postgres says, not what Redis says of the order', async () => {
    const live = await node()
    const watching = watch(live)
    relay()
    // Until an event came through Redis: what is forged before the node reads there proves nothing.
    let count = 0
    for (let recovered = -1; recovered !== live.recovered; ) {
      recovered = live.recovered
      count += 1
      write(count, count)
      await expect.poll(() => watching.seen, within).toEqual(range(1, count))
    }
    const head = await store.outbox.head()
    const forged = (position: number) =>
      connection.xadd(
        'sallyport:events',
        '*',
        'position',
        String(position),
        'event',
        JSON.stringify({
          id: randomUUID(),
          topic: 'device.online',
          organizationId: mine,
          occurredAt: '2026-11-21T10:00:00.000Z',
          correlationId: 'c',
          data: { n: 666 },
        }),
      )
    if (connection.status !== 'ready') await new Promise((resolve) => connection.once('ready', resolve))
    for (const position of [head, head - 1, head + 50, 2 ** 52]) await forged(position)
    write(count + 1, count + 20)
    await expect.poll(() => watching.seen, within).toEqual(range(1, count + 20))
    write(count + 21, count + 40)
    await expect.poll(() => watching.seen, within).toEqual(range(1, count + 40))
  })
})

describe('who comes back', () => {
  it('gets what came after the event it names, once and in order, from memory and from Postgres alike', async () => {
    const [large, small] = [await node(), await node({ windowSize: 2 })]
    const first = watch(large)
    relay()
    write(1, 1500)
    await expect.poll(() => first.seen.length, within).toBe(1500)
    const after = first.ids[9]
    for (const live of [large, small]) {
      const again = watch(live, {}, after)
      // While it reads what it missed, more happens.
      write(1501, 1600)
      const begun = await again.begun
      expect(begun.complete).toBe(true)
      await expect.poll(() => again.seen.length, within).toBe(live === large ? 1590 : 1690)
      expect(new Set(again.ids).size).toBe(again.ids.length)
      expect(again.seen.slice(0, 1490)).toEqual(range(11, 1500))
    }
  })

  it('is told where it stands though its filter let nothing through, and goes on from there', async () => {
    const live = await node()
    const quiet = watch(live, { deviceIds: [lamp] })
    relay()
    const { after } = await quiet.begun
    write(1, 5, { deviceId: heater })
    write(1, 5, { organizationId: other })
    await expect.poll(() => quiet.after !== after, within).toBe(true)
    quiet.stop()
    write(6, 6, { deviceId: lamp })
    const again = watch(await node({ windowSize: 1 }), { deviceIds: [lamp] }, quiet.after)
    await expect.poll(() => again.seen, within).toEqual([6])
    expect(quiet.seen).toEqual([])
  })

  it('is told to read anew when it names what never was, what is no id, or what is too long ago', async () => {
    const live = await node({ windowSize: 1, mostMissed: 500 })
    const watching = watch(live)
    relay()
    write(1, 1200)
    await expect.poll(() => watching.seen.length, within).toBe(1200)
    for (const id of [randomUUID(), 'yesterday', "' or true --", watching.ids[3]]) {
      const lost = watch(live, {}, id)
      const { complete, after } = await lost.begun
      expect([complete, after]).toEqual([false, watching.ids.at(-1)])
    }
    const near = watch(live, {}, watching.ids[1100])
    expect((await near.begun).complete).toBe(true)
  })

  it('[F31] finds an id of another organization, or another person’s event, no more than one that never was', async () => {
    const live = await node()
    const theirs = watch(live, { organizationId: other })
    const personal = watch(live, { userId: bob })
    relay()
    write(1, 3, { organizationId: other })
    write(4, 4, { topic: 'notification.created', userId: bob })
    write(5, 5)
    await expect.poll(() => [theirs.seen.length, personal.seen.length], within).toEqual([3, 2])
    for (const fresh of [live, await node()]) {
      const mineFromTheirs = watch(fresh, {}, theirs.ids[0])
      expect((await mineFromTheirs.begun).complete).toBe(false)
      expect(mineFromTheirs.seen).toEqual([])
      // A place in one's own organization is a place, also where it shows one nothing.
      const fromBobs = watch(fresh, {}, personal.ids[0])
      expect((await fromBobs.begun).complete).toBe(true)
      expect(fromBobs.seen).toEqual([5])
      expect(fromBobs.ids).not.toContain(personal.ids[0])
    }
  })

  it('is told, when the node was away for longer than Postgres keeps events', async () => {
    const live = await node()
    const watching = watch(live)
    write(1, 3)
    await store.outbox.number()
    await expect.poll(() => watching.seen.length, within).toBe(3)
    // As after a week of sleep: what it has not read is gone.
    sql(`begin; insert into outbox (id, topic, organization_id, correlation_id, data, position)
      select gen_random_uuid(), 'device.online', '${mine}', 'c', '{"n": 9}', position + 10 from event_head;
      update event_head set position = position + 10; commit`)
    await expect.poll(() => watching.lost, within).toBe(1)
    expect(watching.seen).toEqual([1, 2, 3, 9])
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
  const live = (id: string, data: unknown): LiveEvent => ({
    position: 1,
    event: { id, topic: 'device.online', organizationId: mine, occurredAt: '', correlationId: 'c', data },
    json: JSON.stringify(data),
  })

  it('writes events with id and name, a heartbeat, and says why it ends', async () => {
    const url = await serve((response) => {
      const feed = openEventFeed(response, {
        headers: { 'x-own': '1' },
        heartbeat: milliseconds(20),
        longest: milliseconds(90),
      })
      feed.send(live('event-1', 1))
      feed.send(live('event-2', 2))
      feed.mark('event-2')
      feed.mark('event-3')
    })
    const answer = await fetch(url)
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(answer.headers.get('x-own')).toBe('1')
    const text = await answer.text()
    expect(text).toContain(
      'id: event-1\nevent: device.online\ndata: 1\n\nid: event-2\nevent: device.online\ndata: 2\n\n',
    )
    expect(text.match(/^id: event-2$/gm)).toHaveLength(1)
    expect(text).toContain('id: event-3\n\n')
    expect(text).toContain(': still here\n\n')
    expect(text).toMatch(/event: end\ndata: {"reason":"token-expired"}\n\n$/)
  })

  it('cuts a reader that does not keep up, and forgets it', async () => {
    let ended: string | undefined
    const url = await serve((response) => {
      const feed = openEventFeed(response, { headers: {}, heartbeat: longest, longest })
      feed.onEnded((reason) => {
        ended = reason
      })
      const large = live('event-1', 'x'.repeat(100_000))
      const flood = setInterval(() => (ended ? clearInterval(flood) : feed.send(large)), 1)
    })
    // The body is never read.
    const answer = await fetch(url)
    expect(answer.status).toBe(200)
    await expect.poll(() => ended, { timeout: 10_000 }).toBe('too-slow')
  })
})
