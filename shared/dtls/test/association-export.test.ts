/** An association goes on in another machine: what continues, what is refused, and that no record number repeats. */

import { randomBytes } from 'node:crypto'
import { hours, milliseconds } from '@sallyport/clock'
import fc from 'fast-check'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { maxAssociationStateBytes } from '../src/association-state.ts'
import type { DtlsServerConfiguration } from '../src/dtls-server.ts'
import { contentTypes, readRecord } from '../src/record.ts'
import { HostileClient } from './harness/hostile-client.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 })

const seed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)
const none = new Uint8Array(0)
const numbersPerGeneration = 2 ** 32

let serverIdentity: TestIdentity
let device: TestIdentity

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

type Configuration = Partial<DtlsServerConfiguration>

function connected(options: { configuration?: Configuration; connectionId?: Uint8Array; port?: number } = {}) {
  const server = new ServerUnderTest(serverIdentity, options.configuration)
  const client = new HostileClient(server, device, options.port)
  client.connectionId = options.connectionId
  client.connect()
  return { server, client, handle: handleOf(server) }
}

function handleOf(server: ServerUnderTest): number {
  const last = server.all('connected').at(-1)
  if (last === undefined) throw new Error('nobody is connected')
  return last.association
}

function exported(server: ServerUnderTest, handle = handleOf(server)): Uint8Array {
  const state = server.machine.exportAssociation(handle)
  if (state === undefined) throw new Error('there is no such association')
  return state
}

function successorOf(state: Uint8Array, options: { generation?: number; recordMark?: number } = {}) {
  const server = new ServerUnderTest(serverIdentity)
  const { generation = 1, recordMark = -1 } = options
  const outcome = server.machine.importAssociation(state, { generation, recordMark }, server.now)
  server.drain()
  if (!outcome.imported) throw new Error(`refused: ${outcome.reason}`)
  return { server, handle: outcome.association }
}

describe('an exported association', () => {
  it.each([
    ['without a CID', undefined],
    ['with CIDs', Uint8Array.of(1, 2, 3)],
  ])('%s goes on in another machine, in both directions', (_, connectionId) => {
    const { server, client } = connected(connectionId === undefined ? {} : { connectionId })
    client.applicationData('before')
    const successor = successorOf(exported(server))
    client.server = successor.server
    expect(client.applicationData('after')).toEqual([])
    expect(successor.server.data).toEqual(['after'])
    successor.server.machine.send(successor.handle, Buffer.from('and back'))
    const [answer] = successor.server.drain().flatMap((datagram) => client.hear(datagram))
    expect(Buffer.from(answer?.content ?? none).toString()).toBe('and back')
    expect(answer?.sequence).toBe(numbersPerGeneration)
  })

  it('is found by its CID wherever its peer is, and follows it', () => {
    const { server, client } = connected({ connectionId: none })
    const successor = successorOf(exported(server))
    client.server = successor.server
    client.address = { address: '198.51.100.9', port: 4711 }
    client.applicationData('from elsewhere')
    expect(successor.server.data).toEqual(['from elsewhere'])
    expect(successor.server.all('moved')).toHaveLength(1)
  })

  it('gives each datum the number of its record', () => {
    const { server, client } = connected()
    client.applicationData('a')
    client.applicationData('b')
    const numbers = server.all('data').map(({ recordSequence }) => recordSequence)
    expect(numbers).toEqual([1, 2])
  })

  it('refuses what was received before it, and takes what its mark says had no effect', () => {
    const { server, client } = connected()
    const state = exported(server)
    const captured = [1, 2, 3, 4].map((n) => client.record(contentTypes.applicationData, Buffer.from(`telemetry ${n}`)))
    for (const record of captured) client.datagram(record)
    expect(server.data).toHaveLength(4)
    // The snapshot is older than all four; the books say that the third had its effect.
    const successor = successorOf(state, { recordMark: 3 })
    client.server = successor.server
    for (const record of captured) client.datagram(record)
    expect(successor.server.data).toEqual(['telemetry 4'])
    expect(successor.server.discards('replayed')).toBe(3)
  })

  it('refuses by its mark also within the window, and leaves the numbers above it alone', () => {
    const { server, client } = connected()
    const early = [1, 2, 3].map((n) => client.record(contentTypes.applicationData, Buffer.from(`held back ${n}`)))
    for (let count = 0; count < 40; count += 1) client.applicationData('x')
    const successor = successorOf(exported(server), { recordMark: 2 })
    client.server = successor.server
    for (const record of early) client.datagram(record)
    expect(successor.server.data).toEqual(['held back 3'])
  })

  it('sends its last flight again to a client that lacks it', () => {
    const server = new ServerUnderTest(serverIdentity)
    const client = new HostileClient(server, device)
    client.toFlight4().certificate()
    client.keyExchange()
    client.certificateVerify()
    client.changeCipherSpec()
    const finishedBody = client.verifyData()
    client.finished()
    const successor = successorOf(exported(server))
    client.server = successor.server
    // The client's retransmission: the same message in a new record.
    const again = client.finished({
      verifyData: finishedBody,
      messageSequence: client.nextMessageSequence - 1,
      unrecorded: true,
    })
    expect(again.map(({ type, epoch }) => [type, epoch])).toEqual([
      [contentTypes.changeCipherSpec, 0],
      [contentTypes.handshake, 1],
    ])
    expect(again[1]?.content.length).toBe(24)
    expect(again[1]?.sequence).toBe(numbersPerGeneration)
    client.applicationData('now I have it')
    expect(successor.server.data).toEqual(['now I have it'])
  })

  it('knows a copy of the hello that made it', () => {
    const server = new ServerUnderTest(serverIdentity)
    const client = new HostileClient(server, device)
    client.firstHello()
    const hello = client.secondHelloRecord()
    client.readFlight(client.datagram(hello))
    client.toFinished()
    const cookieSecret = randomBytes(32)
    const other = new ServerUnderTest(serverIdentity, { cookieSecret })
    other.machine.importAssociation(exported(server), { generation: 1, recordMark: -1 }, other.now)
    // A good cookie of the successor around the same random.
    const again = new HostileClient(other, device)
    again.random = client.random
    again.firstHello()
    again.datagram(again.secondHelloRecord())
    expect(other.discards('hello-repeated')).toBe(1)
    expect(other.machine.counts).toEqual({ live: 1, halfOpen: 0 })
  })

  it('ends when its peer was silent for too long, counted over both machines', () => {
    const { server } = connected()
    const state = exported(server)
    const successor = successorOf(state)
    successor.server.advance(hours(24))
    expect(successor.server.all('closed').map(({ reason }) => reason)).toEqual(['idle'])
    expect(successor.server.machine.connectionIdCount).toBe(0)
    const late = new ServerUnderTest(serverIdentity)
    late.now = successor.server.now
    expect(late.machine.importAssociation(state, { generation: 1, recordMark: -1 }, late.now)).toEqual({
      imported: false,
      reason: 'idle',
    })
  })

  it('keeps the count of forgeries, and all else, over two takeovers', () => {
    const { server, client } = connected()
    const forged = client.record(contentTypes.applicationData, Buffer.from('x'))
    forged.set([0xff], forged.length - 1)
    for (let count = 0; count < 10; count += 1) client.datagram(forged)
    const twice = successorOf(exported(successorOf(exported(server)).server, 2), { generation: 2 })
    // All but version, suite and generation: nothing has happened since.
    expect(exported(twice.server, twice.handle).subarray(5)).toEqual(exported(server).subarray(5))
  })
})

describe('an import is refused', () => {
  const refusal = (server: ServerUnderTest, state: Uint8Array, generation = 1) => {
    const outcome = server.machine.importAssociation(state, { generation, recordMark: -1 }, server.now)
    return outcome.imported ? 'imported' : outcome.reason
  }

  it('when the address, or the CID, is taken', () => {
    const plain = exported(connected().server)
    const server = new ServerUnderTest(serverIdentity)
    expect(refusal(server, plain)).toBe('imported')
    expect(refusal(server, plain)).toBe('address-taken')
    const named = exported(connected({ connectionId: none }).server)
    expect(refusal(server, named)).toBe('imported')
    expect(refusal(server, named)).toBe('connection-id-taken')
    expect(server.machine.counts.live).toBe(2)
    expect(server.machine.connectionIdCount).toBe(1)
  })

  it('for a CID of another shard', () => {
    const state = exported(connected({ connectionId: none, configuration: { shard: 7 } }).server)
    expect(refusal(new ServerUnderTest(serverIdentity), state)).toBe('connection-id-foreign')
    expect(refusal(new ServerUnderTest(serverIdentity, { shard: 7 }), state)).toBe('imported')
  })

  it('unless its generation is above that of the exporter, and when generations have run out', () => {
    const { server } = connected()
    expect(refusal(new ServerUnderTest(serverIdentity), exported(server), 0)).toBe('generation-not-newer')
    const last = successorOf(exported(server), { generation: 65_535 })
    const state = exported(last.server, last.handle)
    expect(refusal(new ServerUnderTest(serverIdentity), state, 65_535)).toBe('generation-not-newer')
    expect(refusal(new ServerUnderTest(serverIdentity), state, 65_536)).toBe('generation-exhausted')
    last.server.machine.send(last.handle, Buffer.from('x'))
    const [datagram = none] = last.server.drain()
    expect(readRecord(datagram, 0)?.sequence).toBe(65_535 * numbersPerGeneration)
  })

  it('when there is no room', () => {
    const server = new ServerUnderTest(serverIdentity, { maxAssociations: 1 })
    expect(refusal(server, exported(connected().server))).toBe('imported')
    expect(refusal(server, exported(connected({ port: 50_001 }).server))).toBe('association-limit')
  })

  it('for bytes that are no state, whatever they are; nothing throws and nothing is kept', () => {
    const state = exported(connected({ connectionId: Uint8Array.of(9) }).server)
    const server = new ServerUnderTest(serverIdentity)
    expect(refusal(server, none)).toBe('version-unknown')
    expect(refusal(server, Uint8Array.of(99, ...state.subarray(1)))).toBe('version-unknown')
    expect(refusal(server, new Uint8Array(maxAssociationStateBytes + 1).fill(1))).toBe('malformed')
    expect(refusal(server, Uint8Array.from([...state, 0]))).toBe('malformed')
    for (let length = 1; length < state.length; length += 1) {
      expect(refusal(server, state.subarray(0, length))).toBe('malformed')
    }
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
    expect(server.machine.connectionIdCount).toBe(0)
    fc.assert(
      fc.property(fc.nat(state.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const mutated = state.slice()
        mutated[at] = (mutated[at] ?? 0) ^ change
        expect(typeof refusal(new ServerUnderTest(serverIdentity), mutated)).toBe('string')
      }),
      { seed, numRuns: 300 },
    )
  })

  it('as a mistake of the caller for a number that is none', () => {
    const server = new ServerUnderTest(serverIdentity)
    const state = exported(connected().server)
    const wrong = { generation: 1.5, recordMark: -1 }
    expect(() => server.machine.importAssociation(state, wrong, server.now)).toThrow(RangeError)
    expect(() => server.machine.importAssociation(state, { generation: 1, recordMark: -2 }, server.now)).toThrow(
      RangeError,
    )
  })
})

describe('[6.3] record numbers', () => {
  /** What happens to one association: its holders write, are snapshotted, and are replaced while they may live on. */
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ does: fc.constant('send' as const), holder: fc.nat(), count: fc.nat(5) }) },
    { weight: 2, arbitrary: fc.record({ does: fc.constant('snapshot' as const) }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('take-over' as const), snapshot: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('hand-over' as const) }) },
  )

  it('never repeat, whichever snapshot a successor begins with, and while the zombie before it still writes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { server, handle } = connected()
        const holders = [{ server, handle }]
        const snapshots = [exported(server, handle)]
        const used = new Set<number>()
        // What Postgres counts; each takeover gets the next.
        let takeovers = 0
        const note = (datagrams: readonly Uint8Array[]): void => {
          for (const datagram of datagrams) {
            const record = readRecord(datagram, 0)
            if (record === undefined || record.epoch === 0) continue
            expect(used.has(record.sequence), `number ${record.sequence} again`).toBe(false)
            used.add(record.sequence)
          }
        }
        const takeOver = (state: Uint8Array): void => {
          takeovers += 1
          holders.push(successorOf(state, { generation: takeovers }))
        }
        const newest = () => holders.at(-1) ?? { server, handle }
        for (const { does, ...rest } of steps) {
          if (does === 'snapshot') snapshots.push(exported(newest().server, newest().handle))
          else if (does === 'hand-over') takeOver(exported(newest().server, newest().handle))
          else if ('snapshot' in rest) takeOver(snapshots[rest.snapshot % snapshots.length] ?? none)
          else if ('holder' in rest) {
            const holder = holders[rest.holder % holders.length] ?? newest()
            for (let count = 0; count <= rest.count; count += 1) {
              holder.server.machine.send(holder.handle, Buffer.from('x'))
              note(holder.server.drain())
              holder.server.now = (holder.server.now + milliseconds(1)) as typeof holder.server.now
            }
          }
        }
      }),
      { seed, numRuns: 60 },
    )
  })
})
