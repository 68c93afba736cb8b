/**
 * Genuine datagrams, mutated from a printed seed, thrown at a server in every state of a handshake. A failure is run
 * again with SALLYPORT_TEST_SEED; `make soak` runs more of them with SALLYPORT_TEST_MUTATIONS.
 */

import { seconds } from '@sallyport/clock'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { encodeAlert } from '../src/alert.ts'
import { contentTypes } from '../src/record.ts'
import { randomFrom } from './harness/bad-network.ts'
import { HostileClient } from './harness/hostile-client.ts'
import { HostilePskClient, randomPsk } from './harness/hostile-psk-client.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

const seed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)
const mutations = Number(process.env.SALLYPORT_TEST_MUTATIONS ?? 60_000)

// A millisecond for each is ample, on a busy machine too.
vi.setConfig({ testTimeout: Math.max(60_000, mutations) })

let serverIdentity: TestIdentity
let device: TestIdentity

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

/** The datagrams of an honest handshake, recorded on their way to a server. */
class Recorder extends ServerUnderTest {
  readonly recorded: Uint8Array[] = []

  override receive(datagram: Uint8Array, from: { address: string; port: number }): Uint8Array[] {
    this.recorded.push(datagram.slice())
    return super.receive(datagram, from)
  }
}

function mutate(random: () => number, datagram: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  const pick = (limit: number): number => Math.floor(random() * limit)
  let mutated = Uint8Array.from(datagram)
  for (let change = 0; change <= pick(3); change += 1) {
    const at = pick(mutated.length)
    const kind = pick(6)
    if (kind === 0) mutated[at] = pick(256)
    else if (kind === 1) mutated[at] = (mutated[at] ?? 0) ^ (1 << pick(8))
    else if (kind === 2) mutated = mutated.slice(0, at)
    else if (kind === 3) mutated = Uint8Array.from([...mutated, ...(others[pick(others.length)] ?? [])])
    else if (kind === 4) mutated.copyWithin(at, pick(mutated.length))
    else if (at + 2 < mutated.length) mutated.set([0xff, 0xff], at)
    if (mutated.length === 0) mutated = Uint8Array.of(pick(256))
  }
  return mutated
}

type Client = HostileClient & { connect(): HostileClient }

const psk = randomPsk()

/** What a peer and its server need, for each way to authenticate. */
const ways = {
  'with a certificate': {
    configuration: {},
    client: (server: ServerUnderTest, port?: number): Client => new HostileClient(server, device, port),
    stages: (client: HostileClient) => [
      () => client.certificate(),
      () => client.keyExchange(),
      () => client.certificateVerify(),
    ],
  },
  'with a pre-shared key': {
    configuration: { psk: {} },
    client: (server: ServerUnderTest, port?: number): Client => new HostilePskClient(server, psk, port),
    stages: (client: HostileClient) => [() => client.keyExchange()],
  },
}

describe.each(Object.entries(ways))('[5.9] mutated datagrams, %s,', (name, way) => {
  it('never crash the server, let nobody in, leave no association and no handshake behind', () => {
    process.stdout.write(`mutated datagrams, ${name}: seed ${seed}, ${mutations} of them\n`)
    const random = randomFrom(seed)
    const psks = { [psk.identity]: psk.key }
    const recorder = new Recorder(serverIdentity, way.configuration)
    recorder.psks = psks
    way.client(recorder).connect().applicationData('hello')
    const server = new ServerUnderTest(serverIdentity, {
      ...way.configuration,
      maxHandshakesPerSecond: Number.POSITIVE_INFINITY,
    })
    server.psks = psks
    let sent = 0
    let steady = 0
    for (let n = 0; sent < mutations; n += 1) {
      const client = way.client(server, 1024 + (n % 60_000))
      const stages = [
        () => client.firstHello(),
        () => client.secondHello(),
        ...way.stages(client),
        () => client.changeCipherSpec(),
        () => client.finished(),
        () => client.applicationData('hello'),
      ]
      const until = Math.floor(random() * (stages.length + 1))
      for (const stage of stages.slice(0, until)) stage()
      const genuine = server.data.length
      for (let change = 0; change < 60; change += 1) {
        const template = recorder.recorded[Math.floor(random() * recorder.recorded.length)]
        if (template === undefined) throw new Error('nothing was recorded')
        server.receive(mutate(random, template, recorder.recorded), client.address)
        sent += 1
      }
      // Nothing but what was really sealed is ever delivered, and nothing but what was really agreed on lives.
      expect(server.data.length).toBe(genuine)
      const connected = until >= stages.length - 1
      expect(server.machine.counts.live).toBe(connected ? 1 : 0)
      if (connected) client.datagram(client.record(contentTypes.alert, encodeAlert('warning', 'close_notify')))
      expect(server.machine.counts.live).toBe(0)
      if (n % 20 === 0) server.outputs.splice(0)
      // Else the handshakes that were left would reach the limits of one host.
      if (n % 40 === 0) letHandshakesEnd(server)
      if (steady === 0 && sent >= mutations / 5) steady = process.memoryUsage.rss()
    }
    letHandshakesEnd(server)
    const grown = process.memoryUsage.rss() - steady
    process.stdout.write(
      `mutated datagrams, ${name}: ${sent} sent, resident ${megabytes(steady)} MB after a fifth, ${megabytes(grown)} MB more at the end\n`,
    )
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
    server.outputs.splice(0)
    way.client(server, 65_001).connect().applicationData('good')
    expect(server.data).toEqual(['good'])
    server.machine.shutDown(server.now)
    server.drain()
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
  })
})

const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)

function letHandshakesEnd(server: ServerUnderTest): void {
  for (let second = 0; second < 62; second += 1) server.advance(seconds(1))
  expect(server.machine.counts.halfOpen).toBe(0)
}
