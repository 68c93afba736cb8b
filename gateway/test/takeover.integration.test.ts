/** A gateway's associations go on at its successor: at a planned restart, after kill -9, and not where they must not. */

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import { utf8 } from '@sallyport/bytes'
import type { CoapResource } from '@sallyport/coaps'
import { freePortsBelowEphemeral, holdUdpSocket, testHome } from '@sallyport/development'
import { connectRedis } from '@sallyport/events'
import { encode } from '@sallyport/representation'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  DeviceAtGateway,
  eventually,
  type GatewayUnderTest,
  type InstallationAroundGateway,
  installationAroundGateway,
  type ProvisionedDevice,
  system,
  type Tokens,
} from './installation-around-gateway.ts'
import { type RunningProcess, startProcess } from './running-process.ts'

let installation: InstallationAroundGateway
const processes: RunningProcess[] = []
const sockets: Socket[] = []

beforeAll(async () => {
  installation = await installationAroundGateway()
})
afterEach(async () => {
  for (const process of processes.splice(0)) await process.end('SIGKILL')
  for (const socket of sockets.splice(0)) socket.close()
})
afterAll(() => installation.close())

/** Each test has a shard of its own. */
let shard = 0
const takeover = (more: Readonly<Record<string, string>> = {}) => ({
  ...installation.redisEnvironment,
  SALLYPORT_SHARD: String(shard),
  ...more,
})
async function start(port?: number): Promise<GatewayUnderTest> {
  const coaps = port ?? (await freePortsBelowEphemeral())
  return await installation.startGateway(takeover({ SALLYPORT_COAPS_PORT: String(coaps) }))
}

async function startApart(
  port?: number,
  descriptors: readonly number[] = [],
): Promise<{ process: RunningProcess; coaps: { host: string; port: number } }> {
  const coaps = port ?? (await freePortsBelowEphemeral())
  const process = await startProcess(
    'gateway',
    { ...installation.gatewayEnvironment(), ...takeover({ SALLYPORT_COAPS_PORT: String(coaps) }) },
    join(testHome(), `gateway-${shard}-${Math.random()}.json`),
    descriptors,
  )
  processes.push(process)
  return { process, coaps: process.ready.coaps as { host: string; port: number } }
}

class Lamp {
  readonly device: ProvisionedDevice
  readonly at: DeviceAtGateway
  tokens: Tokens | undefined
  readonly #state: { on: boolean; readonly watchers: Set<() => void> }

  private constructor(
    device: ProvisionedDevice,
    at: DeviceAtGateway,
    state: { on: boolean; watchers: Set<() => void> },
  ) {
    this.device = device
    this.at = at
    this.#state = state
  }

  /** Signed in, with one observed resource. */
  static async at(coaps: { host: string; port: number }): Promise<Lamp> {
    const lamp = await Lamp.signedInAt(coaps)
    await lamp.publish()
    await eventually(async () => expect(await lamp.twin()).toEqual({ on: false }))
    return lamp
  }

  static async connectedTo(coaps: { host: string; port: number }): Promise<Lamp> {
    const device = await installation.provision()
    const state = { on: false, watchers: new Set<() => void>() }
    const light: CoapResource<undefined> = {
      path: '/light/1',
      handlers: {
        GET: () => ({ code: '2.05', contentFormat: 60, payload: encode(60, { on: state.on }) }),
        POST: () => {
          state.on = true
          return { code: '2.04', contentFormat: 60, payload: encode(60, { on: true }) }
        },
      },
      observe: (_request, changed) => {
        state.watchers.add(changed)
        return () => state.watchers.delete(changed)
      },
    }
    const battery: CoapResource<undefined> = {
      path: '/battery/1',
      handlers: { GET: () => ({ code: '2.05', contentFormat: 60, payload: encode(60, { charge: 80 }) }) },
    }
    const at = await DeviceAtGateway.connect({ coaps }, device, [light, battery])
    return new Lamp(device, at, state)
  }

  static async signedInAt(coaps: { host: string; port: number }): Promise<Lamp> {
    const lamp = await Lamp.connectedTo(coaps)
    await lamp.signIn()
    return lamp
  }

  async signIn(): Promise<void> {
    this.tokens = await this.at.enter(this.device.code)
  }

  async publish(href = '/light/1'): Promise<void> {
    const links = [{ href, rt: ['core.light'], if: ['oic.if.a'], p: { bm: 3 } }]
    expect((await this.at.send('POST', '/oic/rd', { di: this.device.id, ttl: 0, links })).code).toBe('2.04')
  }

  switch(on: boolean): void {
    this.#state.on = on
    for (const changed of this.#state.watchers) changed()
  }

  get watchers(): number {
    return this.#state.watchers.size
  }

  measure(text: string): Promise<{ code: string }> {
    return this.at.send('POST', '/api/v1/telemetry', undefined, { contentFormat: 50, payload: utf8(text) })
  }

  async twin(href = '/light/1'): Promise<unknown> {
    const resources = await installation.store.resources.twin(installation.organizationId, this.device.id)
    return resources.find((resource) => resource.href === href)?.representation
  }

  async record() {
    return installation.store.devices.read(installation.organizationId, this.device.id)
  }

  async points(name: string): Promise<number> {
    const { items } = await installation.store.telemetry.range(installation.organizationId, this.device.id, {
      name,
      limit: 100,
    })
    return items.length
  }

  async offlineEvents(): Promise<number> {
    await installation.store.outbox.number()
    const events = await installation.store.outbox.after(0, 1000)
    return events.filter(({ event }) => event.deviceId === this.device.id && event.topic === 'device.offline').length
  }
}

const snapshotsWritten = () => new Promise((resolve) => setTimeout(resolve, 600))

async function command(lamp: Lamp, method: 'GET' | 'POST') {
  return installation.store.commands.create(
    installation.organizationId,
    {
      deviceId: lamp.device.id,
      href: '/light/1',
      method,
      payload: method === 'POST' ? { on: true } : null,
      expiresAt: (Date.now() + 60_000) as Parameters<typeof installation.store.commands.create>[1]['expiresAt'],
    },
    system,
  )
}

const stateOf = async (id: string) => (await installation.store.commands.read(installation.organizationId, id))?.state

describe('[6.2] a planned restart', () => {
  it('leaves associations, sessions, observations and waiting commands to the successor; nobody handshakes or goes offline', async () => {
    shard = 1
    const first = await start()
    const lamp = await Lamp.at(first.gateway.coaps)
    expect((await lamp.measure('{"a":1}')).code).toBe('2.04')
    expect(await first.gateway.handOver()).toBe(true)
    const waiting = await command(lamp, 'POST')
    const second = await start(first.gateway.coaps.port)
    expect((await lamp.measure('{"b":1}')).code).toBe('2.04')
    lamp.switch(true)
    await eventually(async () => expect(await lamp.twin()).toEqual({ on: true }))
    await eventually(async () => expect(await stateOf(waiting.id)).toBe('succeeded'), 10_000)
    expect(await lamp.points('a')).toBe(1)
    expect(await lamp.points('b')).toBe(1)
    expect(lamp.at.closed).toBe(false)
    expect(lamp.watchers).toBe(1)
    expect(await lamp.record()).toMatchObject({ online: true, gatewayId: second.gateway.id })
    expect(await lamp.offlineEvents()).toBe(0)
    expect(await second.metric('sallyport_gateway_handshakes_total')).not.toContain('finished')
    expect(await second.metric('sallyport_gateway_associations_taken_over_total')).toContain('outcome="imported"')
    await lamp.at.close()
    await second.gateway.close()
  }, 60_000)

  it('by SIGTERM, where somebody else holds the socket, answers in the gap what came in it; SIGINT says good-bye', async () => {
    shard = 8
    const held = await holdUdpSocket('coaps', '127.0.0.1', 0)
    const first = await startApart(0, [held.descriptor])
    const lamp = await Lamp.at(first.coaps)
    expect((await lamp.measure('{"a":1}')).code).toBe('2.04')
    const ended = first.process.end('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 50))
    const inGap = lamp.measure('{"gap":1}')
    expect(await ended).toBe(0)
    const second = await startApart(0, [held.descriptor])
    expect((await inGap).code).toBe('2.04')
    expect(await lamp.points('gap')).toBe(1)
    expect(second.process.output()).not.toContain('association opened')
    expect(await lamp.offlineEvents()).toBe(0)
    expect(await second.process.end('SIGINT')).toBe(0)
    await eventually(() => expect(lamp.at.closed).toBe(true), 1000)
    expect((await lamp.record())?.online).toBe(false)
    await held.release()
  }, 60_000)

  it('a device that was deleted meanwhile is not let in again', async () => {
    shard = 2
    const first = await start()
    const lamp = await Lamp.at(first.gateway.coaps)
    await first.gateway.handOver()
    await installation.store.devices.delete(installation.organizationId, lamp.device.id, system)
    const second = await start(first.gateway.coaps.port)
    expect(await second.metric('sallyport_gateway_associations_taken_over_total')).toContain('device-withdrawn')
    expect(await second.metric('sallyport_gateway_associations{')).toMatch(/ 0$/)
    await lamp.at.close()
    await second.gateway.close()
  }, 60_000)

  it('where Redis does not take them, ends for good: the devices are told', async () => {
    shard = 3
    const { gateway } = await installation.startGateway(takeover({ SALLYPORT_REDIS_URL: 'redis://127.0.0.1:1' }))
    const lamp = await Lamp.at(gateway.coaps)
    expect(await gateway.handOver()).toBe(false)
    await eventually(() => expect(lamp.at.closed).toBe(true), 1000)
    expect((await lamp.record())?.online).toBe(false)
  }, 60_000)
})

describe('[6.3] after kill -9', () => {
  it('associations, sessions, observations and waiting commands go on at the successor', async () => {
    shard = 4
    const first = await startApart()
    const lamp = await Lamp.at(first.coaps)
    expect((await lamp.measure('{"a":1}')).code).toBe('2.04')
    await snapshotsWritten()
    await first.process.end('SIGKILL')
    const waiting = await command(lamp, 'POST')
    const second = await startApart(first.coaps.port)
    expect((await lamp.measure('{"b":1}')).code).toBe('2.04')
    lamp.switch(true)
    await eventually(async () => expect(await lamp.twin()).toEqual({ on: true }), 15_000)
    await eventually(async () => expect(await stateOf(waiting.id)).toBe('succeeded'), 10_000)
    expect([await lamp.points('a'), await lamp.points('b')]).toEqual([1, 1])
    expect(lamp.at.closed).toBe(false)
    expect((await lamp.record())?.online).toBe(true)
    expect(await lamp.offlineEvents()).toBe(0)
    expect(second.process.output()).not.toContain('association opened')
    await lamp.at.close()
  }, 60_000)

  it('in the moment in which the sign-in was answered: the device is signed in at the successor, and commanded', async () => {
    shard = 9
    const first = await startApart()
    const lamp = await Lamp.signedInAt(first.coaps)
    await first.process.end('SIGKILL')
    const waiting = await command(lamp, 'POST')
    await startApart(first.coaps.port)
    await eventually(async () => expect(await stateOf(waiting.id)).toBe('succeeded'), 10_000)
    expect((await lamp.measure('{"a":1}')).code).toBe('2.04')
    expect((await lamp.record())?.online).toBe(true)
    expect(await lamp.offlineEvents()).toBe(0)
    await lamp.at.close()
  }, 60_000)

  it('in the moment in which a publication was answered: the successor asks for what the dead one had not', async () => {
    shard = 10
    const first = await startApart()
    const lamp = await Lamp.at(first.coaps)
    await snapshotsWritten()
    await lamp.publish('/battery/1')
    await first.process.end('SIGKILL')
    await startApart(first.coaps.port)
    // Spread over 20 s.
    await eventually(async () => expect(await lamp.twin('/battery/1')).toEqual({ charge: 80 }), 25_000)
    await lamp.at.close()
  }, 60_000)

  it('where the newest snapshot knows of no session, the device is told to come back, and is offline until then', async () => {
    shard = 11
    const first = await startApart()
    const lamp = await Lamp.connectedTo(first.coaps)
    await snapshotsWritten()
    const redis = connectRedis({ url: installation.redisUrl, name: 'test' })
    await eventually(() => expect(redis.status).toBe('ready'))
    const key = 'sallyport:associations:11'
    const old = await redis.hgetallBuffer(key)
    expect(Object.keys(old)).toHaveLength(1)
    await lamp.signIn()
    await first.process.end('SIGKILL')
    await redis.hset(key, old)
    redis.disconnect()
    await startApart(first.coaps.port)
    await eventually(() => expect(lamp.at.closed).toBe(true), 2000)
    await eventually(async () => expect((await lamp.record())?.online).toBe(false), 2000)
  }, 60_000)

  it('a record that was captured, played back to a successor with an old snapshot, has no second effect', async () => {
    shard = 5
    const first = await startApart()
    const path = await Relay.to(first.coaps.port)
    const lamp = await Lamp.at(path.coaps)
    await snapshotsWritten()
    const redis = connectRedis({ url: installation.redisUrl, name: 'test' })
    await eventually(() => expect(redis.status).toBe('ready'))
    const [key] = (await redis.keys('sallyport:associations:5')) ?? []
    if (key === undefined) throw new Error('no snapshots')
    const old = await redis.hgetallBuffer(key)
    path.captured.length = 0
    // Measured now: another time would be another measurement.
    expect((await lamp.measure('{"once":1}')).code).toBe('2.04')
    expect(await lamp.points('once')).toBe(1)
    await first.process.end('SIGKILL')
    await redis.hset(key, Object.fromEntries(Object.entries(old).map(([id, sealed]) => [id, sealed])))
    redis.disconnect()
    const second = await startApart(first.coaps.port)
    expect(path.captured.length).toBeGreaterThan(0)
    for (let again = 0; again < 3; again += 1) for (const datagram of path.captured) path.send(datagram)
    await eventually(async () => {
      const { management } = second.process.ready
      expect(await (await fetch(`${String(management)}/metrics`)).text()).toMatch(
        /discarded_total\{[^}]*replayed[^}]*\} [1-9]/,
      )
    })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await lamp.points('once')).toBe(1)
    expect((await lamp.measure('{"twice":1}')).code).toBe('2.04')
    expect(await lamp.points('twice')).toBe(1)
    await lamp.at.close()
  }, 60_000)

  it('a zombie that comes back after its successor has taken over ends itself, and says nothing to its devices', async () => {
    shard = 6
    const first = await startApart()
    const path = await Relay.to(first.coaps.port)
    const lamp = await Lamp.at(path.coaps)
    await snapshotsWritten()
    first.process.signal('SIGSTOP')
    // The successor's address is another here; the datagrams find it all the same.
    const second = await startApart()
    path.target = second.coaps.port
    await new Promise((resolve) => setTimeout(resolve, 3500))
    expect((await lamp.measure('{"a":1}')).code).toBe('2.04')
    path.heardFrom.clear()
    first.process.signal('SIGCONT')
    await eventually(() => expect(first.process.output()).toContain('its shard is served by another'), 10_000)
    expect((await lamp.measure('{"b":1}')).code).toBe('2.04')
    expect([...path.heardFrom]).toEqual([second.coaps.port])
    expect(lamp.at.closed).toBe(false)
    expect((await lamp.record())?.online).toBe(true)
    await lamp.at.close()
  }, 60_000)

  it('with Redis empty the device handshakes again', async () => {
    shard = 7
    const first = await startApart()
    const lamp = await Lamp.at(first.coaps)
    await snapshotsWritten()
    await first.process.end('SIGKILL')
    const redis = connectRedis({ url: installation.redisUrl, name: 'test' })
    await eventually(() => expect(redis.status).toBe('ready'))
    await redis.flushall()
    redis.disconnect()
    const second = await startApart(first.coaps.port)
    const again = await DeviceAtGateway.connect({ coaps: second.coaps }, lamp.device)
    if (lamp.tokens === undefined) throw new Error('never signed in')
    expect((await again.signIn(lamp.tokens)).code).toBe('2.04')
    await again.close()
    await lamp.at.close()
  }, 60_000)
})

/** A path that can be listened to, spoken into and turned. */
class Relay {
  readonly coaps: { readonly host: string; readonly port: number }
  readonly captured: Buffer[] = []
  readonly heardFrom = new Set<number>()
  target: number
  readonly #outside: Socket

  private constructor(inside: Socket, outside: Socket, target: number) {
    this.#outside = outside
    this.target = target
    this.coaps = { host: '127.0.0.1', port: inside.address().port }
    let client: RemoteInfo | undefined
    inside.on('message', (datagram, from) => {
      client = from
      this.captured.push(Buffer.from(datagram))
      this.send(datagram)
    })
    outside.on('message', (datagram, from) => {
      this.heardFrom.add(from.port)
      if (client !== undefined) inside.send(datagram, client.port, client.address)
    })
  }

  static async to(target: number): Promise<Relay> {
    const [inside, outside] = [createSocket('udp4'), createSocket('udp4')]
    sockets.push(inside, outside)
    for (const socket of [inside, outside]) {
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
    }
    return new Relay(inside, outside, target)
  }

  send(datagram: Buffer): void {
    this.#outside.send(datagram, this.target, '127.0.0.1')
  }
}
