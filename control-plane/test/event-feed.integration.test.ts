import { randomUUID } from 'node:crypto'
import { connectRedis } from '@sallyport/events'
import { beforeAll, describe, expect, it } from 'vitest'
import { controlPlaneForFile } from './control-plane-for-file.ts'
import { type ProvisionedDevice, RunningControlPlane, type Session } from './running-control-plane.ts'

const here = controlPlaneForFile()
let lamp: ProvisionedDevice
beforeAll(async () => {
  lamp = await here.running.register(here.group)
})

interface Told {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: { topic?: string; deviceId?: string; organizationId?: string; reason?: string; data?: unknown }
}

/** Follows the feed; `told` grows as events come. */
async function follow(as: Session, query = '', headers: Record<string, string> = {}) {
  const stop = new AbortController()
  const response = await fetch(`${here.running.controlPlane.addresses.http}/api/v1/events${query}`, {
    headers: { authorization: `Bearer ${as.accessToken}`, ...headers },
    signal: stop.signal,
  })
  const told: Told[] = []
  let ended = false
  const reading = (async () => {
    let text = ''
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(text.slice(0, end))?.[1]
        const data = field('data')
        if (data !== undefined) told.push({ id: field('id'), event: field('event'), data: JSON.parse(data) })
        text = text.slice(end + 2)
      }
    }
  })().then(
    () => {
      ended = true
    },
    () => {
      ended = true
    },
  )
  return {
    response,
    told,
    get ended() {
      return ended
    },
    async stop() {
      stop.abort()
      await reading
    },
  }
}

const act = () => ({ actor: { kind: 'device', id: lamp.deviceId }, correlationId: randomUUID() }) as const
const report = (count: number, deviceId = lamp.deviceId) =>
  here.running.store.resources.report(
    deviceId,
    '/light/1',
    { representation: { power: count }, contentFormat: 60 },
    act(),
  )
const within = { timeout: 8000, interval: 50 }

describe('the live feed', () => {
  it('tells of what a device reports, through outbox, relay and stream, with the security headers', async () => {
    const feed = await follow(here.session, `?deviceId=${lamp.deviceId}&topic=resource.*`)
    expect(feed.response.status).toBe(200)
    expect(feed.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(feed.response.headers.get('x-content-type-options')).toBe('nosniff')
    await report(1)
    await expect.poll(() => feed.told.length, within).toBe(1)
    expect(feed.told[0]).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      event: 'resource.changed',
      data: { topic: 'resource.changed', deviceId: lamp.deviceId, organizationId: here.group.organizationId },
    })
    await feed.stop()
  })

  it('tells another organization nothing, whatever it asks for', async () => {
    const other = await here.running.anotherOrganization()
    const theirs = [
      await follow(other),
      await follow(other, `?deviceId=${lamp.deviceId}`),
      await follow(other, '?topic=resource.*'),
    ]
    const mine = await follow(here.session)
    await report(2)
    await expect.poll(() => mine.told.length, within).toBeGreaterThan(0)
    expect(theirs.flatMap(({ told }) => told)).toEqual([])
    for (const feed of [...theirs, mine]) await feed.stop()
  })

  it('[6.26] goes by device, by group and by topic, all that are named, and refuses what it does not know', async () => {
    const heater = await here.running.register(here.group)
    const feeds = {
      lampOrHeater: await follow(here.session, `?deviceId=${lamp.deviceId},${heater.deviceId}&topic=resource.*`),
      heaterAlone: await follow(here.session, `?deviceId=${heater.deviceId.toUpperCase()}&topic=resource.changed`),
      ofTheGroup: await follow(here.session, `?groupId=${here.group.id}&topic=resource.*`),
      ofAnother: await follow(here.session, `?groupId=${randomUUID()}&topic=resource.*`),
    }
    await report(20)
    await report(21, heater.deviceId)
    const seen = ({ told }: { told: Told[] }) => told.map(({ data }) => data.deviceId)
    await expect.poll(() => seen(feeds.ofTheGroup), within).toEqual([lamp.deviceId, heater.deviceId])
    await expect.poll(() => seen(feeds.lampOrHeater), within).toEqual([lamp.deviceId, heater.deviceId])
    expect(seen(feeds.heaterAlone)).toEqual([heater.deviceId])
    expect(seen(feeds.ofAnother)).toEqual([])
    for (const feed of Object.values(feeds)) await feed.stop()
    for (const [query, told] of [
      ['?colour=red', 'colour'],
      ['?topic=device.exploded', 'device.exploded'],
      ['?topic=*', '*'],
      ['?topic=', 'topic'],
      ['?deviceId=lamp', 'UUID'],
      ['?groupId=1', 'UUID'],
    ]) {
      const { status, body } = await here.session.call('GET', `/api/v1/events${query}`)
      expect([status, body.code], query).toEqual([422, 'validation-failed'])
      expect(JSON.stringify(body), query).toContain(told)
    }
  })

  it('[6.26] goes on after the last event that was seen also at a node that has just started', async () => {
    const feed = await follow(here.session, '?topic=resource.changed')
    for (const count of [30, 31, 32]) await report(count)
    await expect.poll(() => feed.told.length, within).toBe(3)
    await here.running.restart()
    await report(33)
    const again = await follow(here.session, `?topic=resource.changed&after=${feed.told[0]?.id}`)
    await expect.poll(() => again.told.map(({ id }) => id), within).toHaveLength(3)
    expect(again.told.slice(0, 2)).toEqual(feed.told.slice(1, 3))
    await again.stop()
  })

  it('[1.21] ends within a second of the logout, and of the loss of the permission, and says which', async () => {
    const leaving = await here.running.logIn()
    const feed = await follow(leaving)
    const watcher = await here.running.person('member')
    const theirs = await follow(watcher.session)
    const start = performance.now()
    await leaving.call('POST', '/api/v1/auth/logout')
    await here.session.call('PATCH', `/api/v1/members/${watcher.userId}`, {
      body: { roles: ['manufacturer'] },
      headers: { 'if-match': '*' },
    })
    await expect.poll(() => [feed.ended, theirs.ended], { timeout: 1000, interval: 10 }).toEqual([true, true])
    expect(performance.now() - start).toBeLessThan(1500)
    expect(feed.told.at(-1)).toMatchObject({ event: 'end', data: { reason: 'session-ended' } })
    expect(theirs.told.at(-1)).toMatchObject({ event: 'end', data: { reason: 'permission-lost' } })
  })

  it('goes on after the last event that was seen, and says when it cannot', async () => {
    const feed = await follow(here.session, '?topic=resource.changed')
    await report(3)
    await report(4)
    await expect.poll(() => feed.told.length, within).toBe(2)
    await feed.stop()
    await report(5)
    const [first, second] = feed.told
    const again = await follow(here.session, '?topic=resource.changed', { 'last-event-id': first?.id ?? '' })
    await expect.poll(() => again.told.length, within).toBe(2)
    expect(again.told[0]).toEqual(second)
    await again.stop()
    const lost = await follow(here.session, '', { 'last-event-id': randomUUID() })
    await expect.poll(() => lost.told[0]?.event, within).toBe('reset')
    await lost.stop()
  })

  it('goes on when Redis comes back empty', async () => {
    const feed = await follow(here.session, '?topic=resource.changed')
    await report(10)
    await expect.poll(() => feed.told.length, within).toBe(1)
    const flushed = await flushRedis()
    expect(flushed).toContain('OK')
    // The session went with it: the token is good no more, and the feed that is open goes on until the token ends.
    await report(11)
    await expect.poll(() => feed.told.length, within).toBe(2)
    await feed.stop()
    here.session = await here.running.logIn()
  })

  it('needs a login, refuses topics that are none, and bounds the feeds of one session', async () => {
    expect((await here.running.call('GET', '/api/v1/events')).status).toBe(401)
    expect((await here.session.call('GET', '/api/v1/events?topic=*')).status).toBe(422)
    const feeds = []
    for (let count = 0; count < 10; count += 1) feeds.push(await follow(here.session))
    const refused = await here.session.call('GET', '/api/v1/events')
    expect([refused.status, refused.body.code]).toEqual([429, 'rate-limited'])
    for (const feed of feeds) await feed.stop()
    await expect
      .poll(async () => {
        const feed = await follow(here.session)
        await feed.stop()
        return feed.response.status
      }, within)
      .toBe(200)
  })

  it('ends with the access token, and says so', async () => {
    const short = await RunningControlPlane.start({ SALLYPORT_ACCESS_TOKEN_LIFETIME: '2s' })
    try {
      const brief = await short.logIn()
      const response = await fetch(`${short.controlPlane.addresses.http}/api/v1/events`, {
        headers: { authorization: `Bearer ${brief.accessToken}` },
      })
      expect(await response.text()).toMatch(/event: end\ndata: {"reason":"token-expired"}\n\n$/)
    } finally {
      await short.stop()
    }
  })

  it('ends when the control plane stops, which does not wait for it', async () => {
    const feed = await follow(here.session)
    const start = performance.now()
    await here.running.restart()
    expect(performance.now() - start).toBeLessThan(8000)
    await expect.poll(() => feed.ended, within).toBe(true)
    expect(feed.told.at(-1)).toMatchObject({ event: 'end', data: { reason: 'shutting-down' } })
    here.session = await here.running.logIn()
  })
})

async function flushRedis(): Promise<string> {
  const redis = connectRedis({ url: here.running.redis.url, name: 'flush' })
  if (redis.status !== 'ready') await new Promise((resolve) => redis.once('ready', resolve))
  const answer = await redis.flushall()
  redis.disconnect()
  return answer
}
