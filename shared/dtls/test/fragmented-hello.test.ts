/** ClientHellos in pieces: answered without state until the cookie has come back, and then kept within bounds. */

import { randomBytes } from 'node:crypto'
import { concat } from '@sallyport/bytes'
import { minutes, seconds } from '@sallyport/clock'
import fc from 'fast-check'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { handshakeTypes, writeHandshakeFragment } from '../src/handshake-message.ts'
import { contentTypes } from '../src/record.ts'
import { createTranscript } from '../src/transcript.ts'
import { HostileClient, handshakeTypesOf } from './harness/hostile-client.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const seed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)

let serverIdentity: TestIdentity
let device: TestIdentity

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

function meet(port?: number, server = new ServerUnderTest(serverIdentity)) {
  return { server, client: new HostileClient(server, device, port) }
}

/** Records of a message, cut at these offsets. */
function pieces(client: HostileClient, body: Uint8Array, messageSequence: number, ...cuts: number[]): Uint8Array[] {
  return [0, ...cuts].map((offset, n) => {
    const bytes = body.subarray(offset, cuts[n] ?? body.length)
    const fragment = new Uint8Array(12 + bytes.length)
    const { clientHello: type } = handshakeTypes
    writeHandshakeFragment(fragment, 0, { type, length: body.length, messageSequence, offset, bytes })
    return client.record(contentTypes.handshake, fragment, 0)
  })
}

/** The first hello's first piece; learns the cookie. */
function askInPieces(client: HostileClient, cut = 60): Uint8Array[] {
  const records = pieces(client, client.helloBody(new Uint8Array(0)), 0, cut)
  const [heard] = records.flatMap((record) => client.datagram(record))
  client.nextMessageSequence = 1
  client.cookie = heard?.content.slice(15) ?? new Uint8Array(0)
  return records
}

/** Enters the second hello into the transcript, which `readFlight` goes on with. */
function secondInPieces(client: HostileClient, ...cuts: number[]): Uint8Array[] {
  client.secondHelloRecord()
  client.sequences[0] = (client.sequences[0] ?? 1) - 1
  return pieces(client, client.helloBody(), 1, ...cuts)
}

describe('a hello in pieces', () => {
  it('is asked for its cookie by its first piece alone, with fewer bytes than that has, and nothing is kept', () => {
    const { server, client } = meet()
    const [first, second] = pieces(client, client.helloBody(), 0, 60)
    if (first === undefined || second === undefined) throw new Error('no pieces')
    const [answer] = server.receive(first, client.address)
    expect(answer?.length).toBe(60)
    expect(answer?.length).toBeLessThanOrEqual(first.length)
    expect(server.receive(second, client.address)).toEqual([])
    expect(server.discards('hello-fragmented')).toBe(1)
    expect(server.machine.fragmentedHelloCount).toBe(0)
  })

  it('with a good cookie begins a handshake, which goes on to its end', () => {
    const { server, client } = meet()
    askInPieces(client)
    const [first, second] = secondInPieces(client, 90)
    if (first === undefined || second === undefined) throw new Error('no pieces')
    expect(client.datagram(first)).toEqual([])
    expect(server.machine.fragmentedHelloCount).toBe(1)
    client.readFlight(client.datagram(second))
    expect(server.machine.fragmentedHelloCount).toBe(0)
    client.toFinished()
    client.applicationData('hello')
    expect(server.data).toEqual(['hello'])
  })

  it('may come in one datagram, and the second hello in pieces where the first was whole', () => {
    const { server, client } = meet()
    client.firstHello()
    client.readFlight(client.datagram(concat(...secondInPieces(client, 80, 100))))
    client.toFinished()
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
  })

  it('whose later piece overtakes the first is begun when the client repeats it', () => {
    const { server, client } = meet()
    askInPieces(client)
    const [first, second] = secondInPieces(client, 90)
    if (first === undefined || second === undefined) throw new Error('no pieces')
    expect(client.datagram(second)).toEqual([])
    expect(client.datagram(first)).toEqual([])
    const again = pieces(client, client.helloBody(), 1, 90)
    client.readFlight(again.flatMap((record) => client.datagram(record)))
    client.toFinished()
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
    expect(server.machine.fragmentedHelloCount).toBe(0)
  })

  it('that is repeated because flight 4 was lost gets that flight again', () => {
    const { server, client } = meet()
    askInPieces(client)
    const flight = secondInPieces(client, 90).flatMap((record) => client.datagram(record))
    server.now = (server.now + 1000) as typeof server.now
    const again = pieces(client, client.helloBody(), 1, 90).flatMap((record) => client.datagram(record))
    expect(handshakeTypesOf(again)).toEqual(handshakeTypesOf(flight))
    expect(server.machine.counts.halfOpen).toBe(1)
  })

  it(`property: cut anywhere behind the cookie, it connects (seed ${seed})`, () => {
    const length = meet().client.helloBody(randomBytes(32)).length
    const cuts = fc.uniqueArray(fc.integer({ min: 69, max: length - 1 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(cuts, fc.integer({ min: 37, max: 60 }), (second, first) => {
        const { server, client } = meet()
        askInPieces(client, first)
        client.readFlight(
          secondInPieces(client, ...second.sort((a, b) => a - b)).flatMap((record) => client.datagram(record)),
        )
        client.toFinished()
        expect(server.machine.counts.live).toBe(1)
      }),
      { seed, numRuns: 25 },
    )
  })
})

describe('the cookie of a hello in pieces', () => {
  const changes: readonly (readonly [string, (client: HostileClient) => void])[] = [
    ['another address', (client) => Object.assign(client, { address: { ...client.address, address: '192.0.2.8' } })],
    ['another port', (client) => Object.assign(client, { address: { ...client.address, port: 1 } })],
    ['another random', (client) => Object.assign(client, { random: randomBytes(32) })],
    ['another length', (client) => Object.assign(client, { connectionId: Uint8Array.of(1, 2, 3) })],
    ['a flipped bit', (client) => Object.assign(client.cookie, { 3: (client.cookie[3] ?? 0) ^ 1 })],
  ]
  for (const [name, change] of changes) {
    it(`is not good with ${name}: it is asked for again, and nothing is kept`, () => {
      const { server, client } = meet()
      askInPieces(client)
      change(client)
      const heard = secondInPieces(client, 90).flatMap((record) => client.datagram(record))
      expect(handshakeTypesOf(heard)).toEqual([handshakeTypes.helloVerifyRequest])
      expect(server.machine.fragmentedHelloCount).toBe(0)
      expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
    })
  }

  it('made for a whole hello still covers the rest of it when that comes in pieces', () => {
    const { server, client } = meet()
    client.firstHello()
    client.transcript = createTranscript()
    const changed = client.helloBody().slice()
    const last = changed.length - 1
    changed[last] = (changed[last] ?? 0) ^ 1
    for (const record of pieces(client, changed, 1, 90)) expect(client.datagram(record)).toEqual([])
    expect(server.discards('hello-malformed')).toBe(1)
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
  })

  it('outlives one change of the secret and not two', () => {
    for (const [waits, known] of [
      [1, 1],
      [2, 0],
    ] as const) {
      const { server, client } = meet()
      askInPieces(client)
      for (let wait = 0; wait < waits; wait += 1) server.advance(minutes(5))
      const [first] = secondInPieces(client, 90)
      client.datagram(first ?? new Uint8Array(0))
      expect(server.machine.fragmentedHelloCount).toBe(known)
    }
  })
})

describe('beginnings that are kept', () => {
  function leaveBeginning(server: ServerUnderTest, port: number, address = '192.0.2.7'): void {
    const { client } = meet(port, server)
    client.address = { address, port }
    askInPieces(client)
    const [first] = secondInPieces(client, 90)
    client.datagram(first ?? new Uint8Array(0))
  }

  it('are forgotten after ten seconds', () => {
    const { server } = meet()
    leaveBeginning(server, 4000)
    server.advance(seconds(9))
    expect(server.machine.fragmentedHelloCount).toBe(1)
    server.advance(seconds(1))
    expect(server.machine.fragmentedHelloCount).toBe(0)
  })

  it('are few for a host, and no other host loses its place', () => {
    const { server } = meet()
    for (let port = 1; port <= 100; port += 1) leaveBeginning(server, port)
    expect(server.machine.fragmentedHelloCount).toBe(64)
    expect(server.discards('hello-fragment-limit')).toBe(36)
    leaveBeginning(server, 1, '192.0.2.9')
    expect(server.machine.fragmentedHelloCount).toBe(65)
    // What has stood still gives way to a newcomer of the same host.
    server.advance(seconds(3))
    leaveBeginning(server, 4000)
    expect(server.machine.fragmentedHelloCount).toBe(65)
    server.advance(seconds(10))
    expect(server.machine.fragmentedHelloCount).toBe(0)
  })

  it('do not stand in the way of another hello of the same client', () => {
    const { server } = meet()
    leaveBeginning(server, 4000)
    const { client } = meet(4000, server)
    askInPieces(client)
    client.readFlight(secondInPieces(client, 90).flatMap((record) => client.datagram(record)))
    client.toFinished()
    expect(server.machine.counts.live).toBe(1)
    expect(server.machine.fragmentedHelloCount).toBe(0)
  })

  it('survive a forged piece: the hello comes again, whole', () => {
    const { server, client } = meet()
    askInPieces(client)
    const [first, second] = secondInPieces(client, 90)
    if (first === undefined || second === undefined) throw new Error('no pieces')
    client.datagram(first)
    const forged = second.slice()
    forged.fill(0xff, 25)
    // Whoever writes to the address can spoil this one hello: what it then says is refused, with an alert at most.
    client.datagram(forged)
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
    client.nextMessageSequence = 1
    client.readFlight(secondInPieces(client, 90).flatMap((record) => client.datagram(record)))
    client.toFinished()
    expect(server.machine.counts.live).toBe(1)
  })

  it('F16 a hundred thousand first pieces without a cookie keep nothing', () => {
    const { server, client } = meet()
    const [first] = pieces(client, client.helloBody(new Uint8Array(0)), 0, 60)
    if (first === undefined) throw new Error('no piece')
    let longest = 0
    for (let n = 0; n < 100_000; n += 1) {
      server.machine.handleDatagram(first, { address: `10.${n & 255}.${(n >> 8) & 255}.1`, port: 5684 }, server.now)
      for (let output = server.machine.takeOutput(); output !== undefined; output = server.machine.takeOutput()) {
        if (output.kind === 'send') longest = Math.max(longest, output.datagram.length)
      }
    }
    expect(longest).toBe(60)
    expect(longest).toBeLessThanOrEqual(first.length)
    expect(server.machine.fragmentedHelloCount).toBe(0)
  })
})
