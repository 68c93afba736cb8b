import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { readConfiguration } from '@sallyport/config'
import { freeTcpPort } from '@sallyport/development'
import { eventTopics } from '@sallyport/fleet'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { controlPlaneSettings } from '../src/config.ts'
import { startControlPlane } from '../src/control-plane.ts'
import { controlPlaneForFile } from './control-plane-for-file.ts'
import { type ProvisionedDevice, RunningControlPlane, type Session } from './running-control-plane.ts'
import { asyncApi, type Connected, connect, socketUrl, ticketFor } from './web-socket-client.ts'

const here = controlPlaneForFile()
const within = { timeout: 8000, interval: 20 }
let lamp: ProvisionedDevice
const opened: Connected[] = []

beforeAll(async () => {
  lamp = await here.running.register(here.group)
})
afterEach(() => {
  for (const { socket } of opened.splice(0)) socket.terminate()
})

async function open(session: Session = here.session, options: Parameters<typeof connect>[2] = {}): Promise<Connected> {
  const connected = await connect(here.running, session, options)
  opened.push(connected)
  return connected
}

async function subscribed(connected: Connected, message: object = {}, subscription = 's'): Promise<void> {
  connected.send({ type: 'subscribe', subscription, ...message })
  await expect
    .poll(() => connected.of('subscribed').some((told) => told.subscription === subscription), within)
    .toBe(true)
}

const act = () => ({ actor: { kind: 'device', id: lamp.deviceId }, correlationId: randomUUID() }) as const
const report = (count: number, deviceId = lamp.deviceId) =>
  here.running.store.resources.report(
    deviceId,
    '/light/1',
    { representation: { power: count }, contentFormat: 60 },
    act(),
  )
const powers = (connected: Connected) => connected.events.map(({ event }) => event.data.representation.power)
const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(`${here.running.controlPlane.addresses.management}/metrics`)).text()
  return text
    .split('\n')
    .filter((line) => line.startsWith(`sallyport_live_${name}`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}
/** Straight into the outbox: what many devices would have said. */
const flood = (count: number, bytes: number, deviceId = lamp.deviceId) =>
  here.running.sql(`insert into outbox (id, topic, organization_id, device_id, correlation_id, data)
    select gen_random_uuid(), 'resource.changed', '${here.group.organizationId}', '${deviceId}', 'flood',
      json_build_object('href', '/flood', 'version', n, 'representation', json_build_object('power', n, 'text', repeat('x', ${bytes})))
    from generate_series(1, ${count}) n order by n; select pg_notify('outbox', '')`)

describe('the handshake of the web socket', () => {
  it('takes a ticket, once: of twenty at the same time one gets in', async () => {
    const ticket = await ticketFor(here.session)
    const tried = await Promise.allSettled(Array.from({ length: 20 }, () => open(here.session, { ticket })))
    expect(tried.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const each of tried) {
      if (each.status === 'rejected') expect(String(each.reason)).toContain('401 token-invalid')
    }
    expect(opened[0]?.socket.protocol).toBe('sallyport.v1')
    expect(opened[0]?.socket.extensions).toBe('')
    expect(opened[0]?.messages[0]).toMatchObject({ type: 'welcome', heartbeatSeconds: 30, mostMessageBytes: 16_384 })
  })

  it('[1.21] takes no ticket that is late, forged or missing, none of a session that has ended, and no access token', async () => {
    const late = await ticketFor(here.session)
    here.running.sql("update socket_ticket set expires_at = now() - interval '1 ms'")
    await expect(open(here.session, { ticket: late })).rejects.toThrow('401 token-invalid')
    await expect(open(here.session, { ticket: 'A'.repeat(43) })).rejects.toThrow('401 token-invalid')
    await expect(open(here.session, { ticket: 'short' })).rejects.toThrow('401 token-missing')
    await expect(open(here.session, { ticket: here.session.accessToken.replaceAll('.', '-') })).rejects.toThrow('401')
    const leaving = await here.running.logIn()
    const ticket = await ticketFor(leaving)
    await leaving.call('POST', '/api/v1/auth/logout')
    await expect(open(leaving, { ticket })).rejects.toThrow('401 token-revoked')
    expect((await here.running.call('POST', '/api/v1/socket/tickets')).status).toBe(401)
    expect(here.running.sql('select count(*) from socket_ticket')).toBe('0')
  })

  it('[F40] takes pages of its own origin and of those that are allowed, programs without one, and no other page', async () => {
    const own = here.running.controlPlane.addresses.http
    await open(here.session, { origin: own })
    await open(here.session)
    for (const origin of ['https://evil.example', 'null', own.replace('http:', 'https:'), `${own}.evil.example`, '']) {
      await expect(open(here.session, { origin }), origin).rejects.toThrow('403 origin-refused')
    }
    await here.running.restart({ SALLYPORT_ALLOWED_ORIGINS: 'https://one.example, https://console.example' })
    await open(here.session, { origin: 'https://console.example' })
    await expect(open(here.session, { origin: 'https://evil.example' })).rejects.toThrow('403')
  })

  it('is asked for where there is none, and only here does a connection become something else', async () => {
    const { status, headers, body } = await here.session.call('GET', '/api/v1/socket')
    expect([status, body.code, headers.get('upgrade')]).toEqual([400, 'malformed-request', 'websocket'])
    const http = new URL(here.running.controlPlane.addresses.http)
    for (const [path, upgrade] of [
      ['/api/v1/devices', 'websocket'],
      ['/api/v1/socket', 'h2c'],
    ]) {
      const answered = await new Promise<number | undefined>((resolve, reject) => {
        request(
          { host: http.hostname, port: http.port, path, headers: { connection: 'upgrade', upgrade } },
          (response) => resolve(response.statusCode),
        )
          .on('error', reject)
          .end()
      })
      expect([path, answered]).toEqual([path, path === '/api/v1/devices' ? 401 : 400])
    }
    // A handshake that is none, with a good ticket.
    const ticket = await ticketFor(here.session)
    const broken = await new Promise<string>((resolve) => {
      const socket = connectTcp(Number(http.port), http.hostname, () =>
        socket.write(
          `GET /api/v1/socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: no\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: sallyport.v1, ticket.${ticket}\r\n\r\n`,
        ),
      )
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('close', () => resolve(text))
    })
    expect(broken).toMatch(/^HTTP\/1.1 400 /)
  })

  it('has room for so many sockets of one person, and in all', async () => {
    await here.running.restart({ SALLYPORT_SOCKETS_PER_PERSON: '3', SALLYPORT_MOST_SOCKETS: '4' })
    for (let count = 0; count < 3; count += 1) await open()
    await expect(open()).rejects.toThrow('429 rate-limited')
    const { session } = await here.running.person('member')
    const fourth = await open(session)
    await expect(open(session)).rejects.toThrow('429 rate-limited')
    fourth.socket.close()
    await fourth.closed
    await expect.poll(() => metric('streams{'), within).toBe(3)
    await open(session)
    await here.running.restart()
  })
})

describe('the web socket', () => {
  it('[6.26] tells what happens, by subscription, numbered, and each filter by itself', async () => {
    const heater = await here.running.register(here.group)
    const connected = await open()
    await subscribed(connected, { deviceIds: [lamp.deviceId], topics: ['resource.*'] }, 'lamp')
    await subscribed(connected, { groupIds: [here.group.id], topics: ['resource.changed'] }, 'group')
    await subscribed(connected, { deviceIds: [randomUUID()] }, 'nothing')
    await report(1)
    await report(2, heater.deviceId)
    await expect.poll(() => connected.events.length, within).toBe(3)
    expect(connected.events.map(({ subscription, sequence }) => [subscription, sequence])).toEqual([
      ['lamp', 1],
      ['group', 2],
      ['group', 3],
    ])
    connected.send({ type: 'unsubscribe', subscription: 'group' })
    await expect.poll(() => connected.of('unsubscribed').length, within).toBe(1)
    await report(3)
    await expect.poll(() => powers(connected), within).toEqual([1, 1, 2, 3])
    connected.send({ type: 'ping' })
    await expect.poll(() => connected.of('pong').length, within).toBe(1)
  })

  it('refuses what it does not know and stays open; closes on what is no message', async () => {
    const connected = await open()
    await subscribed(connected, {}, 'one')
    connected.send({ type: 'subscribe', subscription: 'two', topics: ['device.exploded'] })
    connected.send({ type: 'subscribe', subscription: 'three', deviceIds: ['lamp'] })
    connected.send({ type: 'subscribe', subscription: 'one' })
    connected.send({ type: 'unsubscribe', subscription: 'four' })
    await expect
      .poll(() => connected.of('problem').map(({ code, subscription }) => [subscription, code]), within)
      .toEqual([
        ['two', 'validation-failed'],
        ['three', 'validation-failed'],
        ['one', 'conflict'],
        ['four', 'not-found'],
      ])
    for (let count = 1; count < 20; count += 1) await subscribed(connected, {}, `s${count}`)
    connected.send({ type: 'subscribe', subscription: 's20' })
    await expect.poll(() => connected.of('problem').at(-1)?.code, within).toBe('rate-limited')
    connected.send({ type: 'acknowledge', sequence: 99 })
    expect(await connected.closed).toEqual({ code: 4400, reason: 'broken-message' })
    for (const broken of [
      '{',
      '[]',
      '{"type":"subscribe"}',
      '{"type":"subscribe","subscription":"s","colour":"red"}',
      '{"type":"subscribe","subscription":"\\"}","__proto__":{}}',
      '{"type":"welcome"}',
      Buffer.from('{"type":"ping"}'),
    ]) {
      const next = await open()
      next.socket.send(broken)
      expect(await next.closed, String(broken)).toEqual({ code: 4400, reason: 'broken-message' })
    }
    const large = await open()
    large.socket.send('x'.repeat(20_000))
    expect((await large.closed).code).toBe(1009)
  })

  it('[F31] [F40] shows nothing of another organization, whatever is subscribed to', async () => {
    const other = await open(await here.running.anotherOrganization())
    const mine = await open()
    await subscribed(mine)
    await report(10)
    await expect.poll(() => mine.events.length, within).toBe(1)
    await subscribed(other, {}, 'all')
    await subscribed(other, { deviceIds: [lamp.deviceId] }, 'device')
    await subscribed(other, { groupIds: [here.group.id] }, 'group')
    for (const after of [mine.events[0].event.id, randomUUID()]) {
      await subscribed(other, { after }, after)
      expect(other.of('reset').at(-1)).toEqual({ type: 'reset', subscription: after, reason: 'events-lost' })
    }
    await report(11)
    await expect.poll(() => mine.events.length, within).toBe(2)
    expect(other.events).toEqual([])
  })

  it('[3.41] brings people their notifications, who need no permission for them, and nobody else’s', async () => {
    const [ada, bob] = [await here.running.person('manufacturer'), await here.running.person('manufacturer')]
    const [adas, bobs] = [await open(ada.session), await open(bob.session)]
    for (const connected of [adas, bobs]) {
      connected.send({ type: 'subscribe', subscription: 'all' })
      await expect.poll(() => connected.of('problem').at(-1)?.code, within).toBe('permission-denied')
      await subscribed(connected, { topics: ['notification.*'] })
    }
    here.running.sql(`insert into notification (id, organization_id, user_id, kind, data)
      values (gen_random_uuid(), '${here.group.organizationId}', '${ada.userId}', 'job-dead', '{"jobId": "x", "kind": "x", "about": "x", "errorCode": "x"}')`)
    await ada.session.call('POST', '/api/v1/notifications/read')
    await expect.poll(() => adas.events.map(({ event }) => event.topic), within).toEqual(['notification.read'])
    // Who logs in from where they never were is told, here too.
    expect(bobs.events).toEqual([])
  })

  it('[3.45] [6.26] goes on after a cut where it was, at whichever node, and says when it cannot', async () => {
    const second = await startControlPlane(readConfiguration(controlPlaneSettings, here.running.environment))
    try {
      const first = await open()
      await subscribed(first, { topics: ['resource.changed'] })
      const atSecond = await open(here.session, { http: second.addresses.http })
      await subscribed(atSecond, { topics: ['resource.changed'] })
      for (const count of [20, 21, 22]) await report(count)
      await expect.poll(() => powers(first), within).toEqual([20, 21, 22])
      await expect.poll(() => powers(atSecond), within).toEqual([20, 21, 22])
      first.socket.terminate()
      for (const count of [23, 24]) await report(count)
      const again = await open(here.session, { http: second.addresses.http })
      await subscribed(again, { topics: ['resource.changed'], after: first.events[1].event.id })
      await report(25)
      await expect.poll(() => powers(again), within).toEqual([22, 23, 24, 25])
      expect(again.events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4])
      await subscribed(again, { after: randomUUID() }, 'lost')
      expect(again.of('reset')).toEqual([{ type: 'reset', subscription: 'lost', reason: 'events-lost' }])
    } finally {
      await second.close()
    }
  })

  it('[3.45] is closed with 1012 when its node is restarted, and goes on at the next', async () => {
    const connected = await open()
    await subscribed(connected, { topics: ['resource.changed'] })
    await report(30)
    await expect.poll(() => powers(connected), within).toEqual([30])
    await report(31)
    const start = performance.now()
    await here.running.restart()
    expect(performance.now() - start).toBeLessThan(8000)
    expect(await connected.closed).toEqual({ code: 1012, reason: 'shutting-down' })
    await report(32)
    const again = await open()
    await subscribed(again, { topics: ['resource.changed'], after: connected.events.at(-1).event.id })
    await expect.poll(() => [...powers(connected), ...powers(again)], within).toEqual([30, 31, 32])
  })

  it('[1.21] [F40] is closed within a second of the end of a session, a membership or a permission', async () => {
    const leaving = await here.running.logIn()
    const removed = await here.running.person('member')
    const demoted = await here.running.person('member')
    const own = await here.running.person('member')
    const sockets = [await open(leaving), await open(removed.session), await open(demoted.session)]
    for (const connected of sockets) await subscribed(connected)
    // What is a person's own stays while the person does.
    const stays = await open(own.session)
    await subscribed(stays, { topics: ['notification.*'] })
    const anyVersion = { headers: { 'if-match': '*' } }
    const start = performance.now()
    await leaving.call('POST', '/api/v1/auth/logout')
    await here.session.call('DELETE', `/api/v1/members/${removed.userId}`, anyVersion)
    for (const { userId } of [demoted, own]) {
      await here.session.call('PATCH', `/api/v1/members/${userId}`, {
        body: { roles: ['manufacturer'] },
        ...anyVersion,
      })
    }
    const changed = performance.now()
    expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([
      { code: 4401, reason: 'session-ended' },
      { code: 4401, reason: 'session-ended' },
      { code: 4403, reason: 'permission-lost' },
    ])
    expect(performance.now() - changed).toBeLessThan(1000)
    expect(performance.now() - start).toBeLessThan(5000)
    stays.send({ type: 'ping' })
    await expect.poll(() => stays.of('pong').length, within).toBe(1)
  })

  it('[1.7] opens for an API key with what its scopes say, and is closed within a second of its revocation', async () => {
    here.running.sql('update user_account set email_verified_at = now()')
    const make = async (scopes: readonly string[]) => {
      const { status, body } = await here.session.call('POST', '/api/v1/auth/api-key', {
        body: { name: 'watcher', scopes, expiresAt: new Date(Date.now() + 3_600_000).toISOString() },
      })
      expect(status).toBe(201)
      return { id: body.id, session: here.running.session(body.key, '') }
    }
    const [key, blind] = [await make(['events:read']), await make(['devices:read'])]
    const [connected, shut] = [await open(key.session), await open(blind.session)]
    shut.send({ type: 'subscribe', subscription: 's' })
    await expect.poll(() => shut.of('problem').at(-1)?.code, within).toBe('permission-denied')
    await subscribed(connected)
    await report(70)
    // The maker's own notifications are the maker's.
    here.running.sql(`insert into notification (id, organization_id, user_id, kind, data)
      select gen_random_uuid(), organization_id, id, 'job-dead', '{"jobId": "x", "kind": "x", "about": "x", "errorCode": "x"}'
      from user_account where username = '${here.running.admin.username}'`)
    await here.session.call('POST', '/api/v1/notifications/read')
    await report(71)
    await expect.poll(() => powers(connected), within).toEqual([70, 71])
    await here.session.call('DELETE', `/api/v1/api-keys/${key.id}`, { headers: { 'if-match': '*' } })
    const revoked = performance.now()
    expect(await connected.closed).toEqual({ code: 4401, reason: 'session-ended' })
    expect(performance.now() - revoked).toBeLessThan(1000)
  })

  it('is closed when the access token ends', async () => {
    const short = await RunningControlPlane.start({ SALLYPORT_ACCESS_TOKEN_LIFETIME: '2s' })
    try {
      const connected = await connect(short, await short.logIn())
      expect(await connected.closed).toEqual({ code: 4401, reason: 'token-expired' })
    } finally {
      await short.stop()
    }
  })

  it('[F40] cuts who does not read, and keeps no more for them than it may', async () => {
    const [slow, good] = [await open(), await open()]
    for (const connected of [slow, good]) await subscribed(connected, { topics: ['resource.changed'] })
    const before = await metric('streams_closed_total{kind="socket",reason="too-slow"')
    slow.socket.pause()
    flood(4000, 5000)
    await expect.poll(() => good.events.length, { timeout: 20_000, interval: 50 }).toBe(4000)
    await expect.poll(() => metric('streams_closed_total{kind="socket",reason="too-slow"'), within).toBe(before + 1)
    slow.socket.resume()
    expect((await slow.closed).code).toBeOneOf([1006, 4408])
    const last = slow.events.at(-1)
    expect(slow.events.length).toBeLessThan(4000)
    // It lost nothing: it comes back, and gets the rest.
    const again = await open()
    await subscribed(again, { topics: ['resource.changed'], after: last.event.id })
    await expect.poll(() => again.events.length + slow.events.length, { timeout: 20_000, interval: 50 }).toBe(4000)
  })

  it('[F40] closes who acknowledges and then falls behind, and nobody who never does', async () => {
    const [behind, never, keeping] = [await open(), await open(), await open()]
    for (const connected of [behind, never, keeping]) await subscribed(connected, { topics: ['resource.changed'] })
    await report(40)
    await expect.poll(() => [behind, keeping].map(({ events }) => events.length), within).toEqual([1, 1])
    behind.send({ type: 'acknowledge', sequence: 1 })
    keeping.send({ type: 'acknowledge', sequence: 1 })
    behind.send({ type: 'ping' })
    await expect.poll(() => behind.of('pong').length, within).toBe(1)
    flood(900, 10)
    await expect.poll(() => keeping.events.length, within).toBe(901)
    keeping.send({ type: 'acknowledge', sequence: 901 })
    keeping.send({ type: 'ping' })
    await expect.poll(() => keeping.of('pong').length, within).toBe(1)
    flood(900, 10)
    expect(await behind.closed).toEqual({ code: 4408, reason: 'too-slow' })
    await expect.poll(() => [never, keeping].map(({ events }) => events.length), within).toEqual([1801, 1801])
  })

  it('[F40] closes who floods it with pings or messages', async () => {
    const [pings, messages, good] = [await open(), await open(), await open()]
    for (let count = 0; count < 300; count += 1) {
      pings.socket.ping()
      messages.send({ type: 'ping' })
    }
    expect(await pings.closed).toEqual({ code: 4429, reason: 'too-many-messages' })
    expect(await messages.closed).toEqual({ code: 4429, reason: 'too-many-messages' })
    const answered = new Promise<void>((resolve) => good.socket.once('pong', () => resolve()))
    good.socket.ping()
    await answered
  })

  it('is pinged, told where it stands, and cut when it answers nothing', async () => {
    await here.running.restart({ SALLYPORT_SOCKET_HEARTBEAT: '1s' })
    const [good, silent] = [await open(), await open()]
    await subscribed(good, { deviceIds: [randomUUID()] })
    await report(50)
    await expect.poll(() => good.of('position').length, within).toBeGreaterThan(0)
    silent.socket.pause()
    await expect.poll(() => metric('streams_closed_total{kind="socket",reason="silent"'), within).toBe(1)
    expect(good.socket.readyState).toBe(good.socket.OPEN)
    silent.socket.resume()
    await silent.closed
    await here.running.restart()
  })

  it('[3.45] is held by the client of the documentation, which comes back by itself and misses nothing', async () => {
    const httpPort = await freeTcpPort()
    await here.running.restart({ SALLYPORT_HTTP_PORT: String(httpPort) })
    const page = readFileSync(new URL('../../docs/live-events.md', import.meta.url), 'utf8')
    const [, program = ''] = /```js\n([\s\S]*?)```/.exec(page) ?? []
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', program.replace('localhost:8080', `127.0.0.1:${httpPort}`)],
      {
        env: { ...process.env, TOKEN: here.session.accessToken },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    try {
      let printed = ''
      child.stdout.on('data', (chunk) => {
        printed += chunk
      })
      const seen = () => [...printed.matchAll(/power: (9\d+)/g)].map(([, power]) => Number(power))
      let power = 900
      // The first one that it sees is where it goes on from.
      await expect
        .poll(async () => {
          power += 1
          await report(power)
          return seen().length
        }, within)
        .toBeGreaterThan(0)
      await here.running.restart({ SALLYPORT_HTTP_PORT: String(httpPort) })
      const missed = [power + 1, power + 2, power + 3]
      for (const next of missed) await report(next)
      await expect.poll(() => seen().slice(-3), { timeout: 20_000, interval: 50 }).toEqual(missed)
      expect(seen()).toEqual(Array.from({ length: seen().length }, (_, index) => (seen()[0] ?? 0) + index))
    } finally {
      child.kill()
    }
    await here.running.restart()
  })

  it('works for the client that browsers have', async () => {
    const socket = new WebSocket(socketUrl(here.running.controlPlane.addresses.http), [
      'sallyport.v1',
      `ticket.${await ticketFor(here.session)}`,
    ])
    const told: string[] = []
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data))
      told.push(message.type)
      if (message.type === 'welcome') socket.send(JSON.stringify({ type: 'subscribe', subscription: 's' }))
      if (message.type === 'subscribed') void report(60)
      if (message.type === 'event') socket.close(1000)
    }
    const closed = await new Promise<number>((resolve) => {
      socket.onclose = ({ code }) => resolve(code)
    })
    expect([told, closed]).toEqual([['welcome', 'subscribed', 'event'], 1000])
  })
})

describe('the AsyncAPI document', () => {
  it('is served as it is checked in, and has every topic that there is', async () => {
    const { status, body } = await here.running.call('GET', '/api/v1/asyncapi.json')
    expect([status, body]).toEqual([200, asyncApi])
    expect(body.asyncapi).toBe('3.0.0')
    for (const topic of eventTopics) expect(Object.keys(body.components.schemas)).toContain(topic)
    for (const { messages } of Object.values<{ messages: { $ref: string }[] }>(body.operations)) {
      for (const { $ref } of messages) expect(at(body, $ref), $ref).toBeDefined()
    }
    for (const channel of Object.values<{ messages: Record<string, { $ref: string }> }>(body.channels)) {
      for (const { $ref } of Object.values(channel.messages)) expect(at(body, $ref), $ref).toBeDefined()
    }
  })
})

const at = (document: object, reference: string): unknown =>
  reference
    .replace('#/', '')
    .split('/')
    .reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], document)
