/** max_fragment_length (RFC 6066 section 4) and record_size_limit (RFC 8449): what is agreed on, and that it is kept. */

import { hasCode } from '@sallyport/errors'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import type { DtlsClientConfiguration } from '../src/dtls-client.ts'
import { handshakeTypes } from '../src/handshake-message.ts'
import { contentTypes, readRecord } from '../src/record.ts'
import { type MaxFragmentLength, maxFragmentLengths, type RecordSizeExtensions } from '../src/record-size.ts'
import { writeServerHello } from '../src/server-hello.ts'
import { HostileClient } from './harness/hostile-client.ts'
import { HostileServer } from './harness/hostile-server.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let serverIdentity: TestIdentity
let device: TestIdentity

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  const ballast = makeIdentity('RSA', 'an authority with an RSA key').chain
  serverIdentity = { ...serverIdentity, chain: [...serverIdentity.chain, ...ballast, ...ballast] }
  device = makeIdentity('P-256', 'device')
})

function meet(recordSizes: RecordSizeExtensions, connectionId?: Uint8Array) {
  const server = new ServerUnderTest(serverIdentity)
  const client = new HostileClient(server, device)
  client.recordSizes = recordSizes
  client.connectionId = connectionId
  return { server, client }
}

const association = (server: ServerUnderTest): number => server.all('connected')[0]?.association ?? -1

/** An extension as it stands in a hello, put at the end of one that our codec wrote. */
function withExtension(hello: Uint8Array, type: number, body: readonly number[]): Uint8Array {
  const bytes = Buffer.concat([hello, Buffer.from([type >> 8, type, 0, body.length, ...body])])
  const listAt = hello.length - hello.subarray(listLengthAt(hello) + 2).length - 2
  bytes.writeUInt16BE(bytes.readUInt16BE(listAt) + 4 + body.length, listAt)
  return bytes
}

/** Of our client's hello: session id, cookie, suites and compressions stand before. */
function listLengthAt(hello: Uint8Array): number {
  const view = Buffer.from(hello)
  let at = 34
  at += 1 + view.readUInt8(at)
  at += 1 + view.readUInt8(at)
  at += 2 + view.readUInt16BE(at)
  return at + 1 + view.readUInt8(at)
}

describe('a server that is asked for smaller records', () => {
  for (const maxFragmentLength of maxFragmentLengths) {
    it(`(RFC 6066 section 4, RFC 7925 section 15) echoes max_fragment_length ${maxFragmentLength} and keeps to it from its first flight on`, () => {
      const { server, client } = meet({ maxFragmentLength })
      client.connect()
      expect(client.serverRecordSizes).toEqual({ maxFragmentLength })
      expect(server.all('connected')[0]?.maxMessageBytes).toBe(maxFragmentLength)
      expect(Math.max(...client.heard.map(({ content }) => content.length))).toBeLessThanOrEqual(maxFragmentLength)
      const datagrams = server.all('send').map(({ datagram }) => datagram.length)
      expect(Math.max(...datagrams)).toBeLessThanOrEqual(Math.min(1200, maxFragmentLength + 13))
      const most = Buffer.alloc(maxFragmentLength, 'x')
      expect(server.machine.send(association(server), most)).toBe(true)
      const [datagram] = server.drain()
      expect(client.hear(datagram ?? new Uint8Array(0))[0]?.content).toHaveLength(maxFragmentLength)
    })
  }

  it('(RFC 8449 section 4) answers record_size_limit with its own, and keeps to the limit from its first flight on', () => {
    const { server, client } = meet({ recordSizeLimit: 64 })
    client.connect()
    expect(client.serverRecordSizes).toEqual({ recordSizeLimit: 16_384 })
    expect(server.all('connected')[0]?.maxMessageBytes).toBe(64)
    expect(Math.max(...client.heard.map(({ content }) => content.length))).toBe(64)
    expect(server.machine.send(association(server), Buffer.alloc(64))).toBe(true)
    server.machine.close(association(server))
    expect(server.drain()).toHaveLength(2)
  })

  it('(RFC 8449 section 4) counts the inner type of a record with a CID into record_size_limit', () => {
    const { server, client } = meet({ recordSizeLimit: 64 }, Uint8Array.of(1, 2))
    client.connect()
    expect(server.all('connected')[0]?.maxMessageBytes).toBe(63)
    expect(() => server.machine.send(association(server), Buffer.alloc(64))).toThrow()
    server.machine.send(association(server), Buffer.alloc(63))
    const [datagram] = server.drain()
    const record = readRecord(datagram ?? new Uint8Array(0), 0, 2)
    // Explicit nonce 8, tag 8: what is encrypted is content and type.
    expect((record?.fragment.length ?? 0) - 16).toBe(64)
  })

  it('(RFC 8449 section 5) goes by record_size_limit alone where both are offered, whatever max_fragment_length says', () => {
    const { client } = meet({ maxFragmentLength: 512, recordSizeLimit: 1000 })
    client.connect()
    expect(client.serverRecordSizes).toEqual({ recordSizeLimit: 16_384 })
    const other = meet({ recordSizeLimit: 1000 }).client
    other.message(handshakeTypes.clientHello, withExtension(other.helloBody(), 1, [77]))
    expect(other.heard[0]?.type).toBe(contentTypes.handshake)
    expect(other.alerts).toEqual([])
  })

  it('a limit above what the protocol allows is no fault: it may come of a version we do not know', () => {
    const { server, client } = meet({ recordSizeLimit: 65_535 })
    client.connect()
    expect(server.all('connected')[0]?.maxMessageBytes).toBe(16_384)
  })

  for (const [name, type, body, alert] of [
    ['a record_size_limit of 63', 28, [0, 63], 'illegal_parameter'],
    ['a record_size_limit of 0', 28, [0, 0], 'illegal_parameter'],
    ['a record_size_limit of one byte', 28, [64], 'decode_error'],
    ['max_fragment_length code 0', 1, [0], 'illegal_parameter'],
    ['max_fragment_length code 5', 1, [5], 'illegal_parameter'],
    ['a max_fragment_length of two bytes', 1, [1, 1], 'decode_error'],
  ] as const) {
    it(`${name} gets ${alert}`, () => {
      const { server, client } = meet({})
      const body0 = withExtension(client.helloBody(), type, body)
      client.message(handshakeTypes.clientHello, body0)
      const reply = client.heard[0]?.content ?? new Uint8Array(0)
      client.cookie = reply.slice(15)
      client.message(handshakeTypes.clientHello, withExtension(client.helloBody(), type, body))
      expect(client.alerts).toEqual([alert])
      expect(server.failures).toMatchObject([{ code: 'handshake-failed', alert }])
      expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
    })
  }

  it('a message over the limit is an error with a code: nothing is sent, and the association goes on', () => {
    const { server, client } = meet({ maxFragmentLength: 512 })
    client.connect()
    let thrown: unknown
    try {
      server.machine.send(association(server), Buffer.alloc(513))
    } catch (error) {
      thrown = error
    }
    expect(hasCode(thrown, 'message-too-long')).toBe(true)
    expect(server.drain()).toEqual([])
    client.applicationData('still here')
    expect(server.data).toEqual(['still here'])
  })

  it('drops a record over the agreed length before it is opened: no forgery is counted, nothing ends', () => {
    const { server, client } = meet({ maxFragmentLength: 512 })
    client.connect()
    client.applicationData('x'.repeat(514))
    expect(server.discards('record-overflow')).toBe(1)
    expect(server.data).toEqual([])
    client.applicationData('y'.repeat(512))
    expect(server.data).toEqual(['y'.repeat(512)])
  })

  it('an association that is imported keeps to what its handshake has agreed on', () => {
    const { server, client } = meet({ recordSizeLimit: 100 })
    client.connect()
    const bytes = server.machine.exportAssociation(association(server))
    const successor = new ServerUnderTest(serverIdentity)
    successor.now = server.now
    const imported = successor.machine.importAssociation(
      bytes ?? new Uint8Array(0),
      { generation: 1, recordMark: -1 },
      server.now,
    )
    expect(imported).toMatchObject({ imported: true, maxMessageBytes: 100 })
    if (imported.imported) expect(() => successor.machine.send(imported.association, Buffer.alloc(101))).toThrow()
  })
})

describe('a client that asks for smaller records', () => {
  function ask(configuration: Partial<DtlsClientConfiguration>, answer: RecordSizeExtensions): HostileServer {
    const server = new HostileServer(serverIdentity, device, configuration).helloVerifyRequest()
    return server.serverHello(
      writeServerHello({
        random: server.random,
        cipherSuite: 0xc0ae,
        renegotiationInfo: true,
        pointFormats: true,
        recordSizes: answer,
      }),
    )
  }

  it('(RFC 6066 section 4) takes the echo of its max_fragment_length, and no other', () => {
    expect(ask({ maxFragmentLength: 512 }, { maxFragmentLength: 512 }).alerts).toEqual([])
    expect(ask({ maxFragmentLength: 512 }, { maxFragmentLength: 1024 }).alerts).toEqual(['illegal_parameter'])
  })

  it('takes a server that overlooks what it asks', () => {
    expect(ask({ maxFragmentLength: 512, recordSizeLimit: 512 }, {}).alerts).toEqual([])
  })

  it('refuses both in one answer, and either unasked', () => {
    const both = { maxFragmentLength: 512, recordSizeLimit: 512 } as const
    expect(ask(both, both).alerts).toEqual(['illegal_parameter'])
    expect(ask({}, { recordSizeLimit: 512 }).alerts).toEqual(['unsupported_extension'])
    expect(ask({}, { maxFragmentLength: 512 }).alerts).toEqual(['unsupported_extension'])
  })

  it('cannot be made to ask for what no hello may say', () => {
    const asking = (configuration: Partial<DtlsClientConfiguration>) => () =>
      new HostileServer(serverIdentity, device, configuration)
    expect(asking({ recordSizeLimit: 63 })).toThrow(RangeError)
    expect(asking({ recordSizeLimit: 16_385 })).toThrow(RangeError)
    expect(asking({ maxFragmentLength: 513 as MaxFragmentLength })).toThrow(RangeError)
  })
})
