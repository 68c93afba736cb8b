/**
 * Bad hellos and cookies, and hellos where an association lives: F7, F8 and F13 of the project's list of hostile inputs.
 */

import { randomBytes } from 'node:crypto'
import { ByteWriter, concat } from '@sallyport/bytes'
import { minutes, seconds } from '@sallyport/clock'
import { describe, expect, it, vi } from 'vitest'
import { handshakeTypes } from '../src/handshake-message.ts'
import { contentTypes, readRecord } from '../src/record.ts'
import { defaultExtensions, type HelloFields, helloWith } from './harness/hello-with.ts'
import { HostileClient, handshakeTypesOf, joinDatagrams } from './harness/hostile-client.ts'
import { device, expectRefused, meet } from './harness/hostile-meeting.ts'
import type { ServerUnderTest } from './harness/server-under-test.ts'

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

/** Both hellos; answers the alerts that the second one brought. */
function greet(fields: HelloFields): { server: ServerUnderTest; client: HostileClient } {
  const { server, client } = meet()
  const body = helloWith(fields)
  client.helloBody = (cookie = client.cookie) => body(cookie)
  client.firstHello()
  if (client.cookie.length > 0) client.message(handshakeTypes.clientHello, body(client.cookie))
  return { server, client }
}

describe('F7: ClientHello (RFC 5246 section 7.4.1.2)', () => {
  it('a plain one is answered with flight 4: the cases below differ from it in one thing each', () => {
    const { client } = greet({})
    expect(handshakeTypesOf(client.heard)).toEqual([
      handshakeTypes.helloVerifyRequest,
      handshakeTypes.serverHello,
      handshakeTypes.certificate,
      handshakeTypes.serverKeyExchange,
      handshakeTypes.certificateRequest,
      handshakeTypes.serverHelloDone,
    ])
  })

  const malformed: Readonly<Record<string, HelloFields>> = {
    'no cipher suites': { suites: [] },
    'a list of cipher suites of odd length': { suiteBytes: new Uint8Array(3) },
    'a session id of 33 bytes': { sessionId: 33 },
    'no compression methods': { compressions: [] },
    'an extension longer than the block': { extensions: Uint8Array.of(0, 10, 0xff, 0xff, 0, 2) },
    'an extension twice': { extensions: concat(defaultExtensions(), Uint8Array.of(0, 23, 0, 0)) },
    'an empty list of groups': { extensions: Uint8Array.of(0, 10, 0, 2, 0, 0) },
    'a group of one byte': { extensions: Uint8Array.of(0, 10, 0, 3, 0, 1, 23) },
    'extended_master_secret with a body': { extensions: Uint8Array.of(0, 23, 0, 1, 0) },
  }
  for (const [name, fields] of Object.entries(malformed)) {
    it(`F7 ${name}: decode_error after the cookie, and no state`, () => {
      const { server, client } = greet(fields)
      expect(client.alerts).toEqual(['decode_error'])
      expect(server.failures).toHaveLength(1)
      expectRefused(server)
    })
  }

  const groups = (list: readonly number[]): Uint8Array =>
    concat(Uint8Array.of(0, 10, 0, 2 + list.length, 0, list.length, ...list), defaultExtensions().subarray(8))
  const refused: Readonly<Record<string, readonly [HelloFields, string]>> = {
    'only export and NULL suites': [{ suites: [0x0001, 0x0003, 0x0000, 0xc006] }, 'handshake_failure'],
    'only CBC suites': [{ suites: [0xc023, 0xc024, 0xc009] }, 'handshake_failure'],
    'no group in common (RFC 8422 section 5.1.1)': [{ extensions: groups([0, 21, 0, 19]) }, 'handshake_failure'],
    'no signature scheme in common (RFC 5246 section 7.4.1.4.1)': [
      { extensions: concat(defaultExtensions().subarray(0, 8), Uint8Array.of(0, 13, 0, 4, 0, 2, 2, 3, 0, 23, 0, 0)) },
      'handshake_failure',
    ],
    'no signature_algorithms, which means SHA-1': [
      { extensions: concat(defaultExtensions().subarray(0, 8), Uint8Array.of(0, 23, 0, 0)) },
      'handshake_failure',
    ],
    'no extended_master_secret (RFC 7627 section 5.2, RFC 7925 section 16)': [
      { extensions: defaultExtensions().subarray(0, 16) },
      'handshake_failure',
    ],
    'no extensions at all': [{ extensions: new Uint8Array(0) }, 'handshake_failure'],
    'only compressed points (RFC 8422 section 5.1.2)': [
      { extensions: concat(defaultExtensions(), Uint8Array.of(0, 11, 0, 2, 1, 1)) },
      'illegal_parameter',
    ],
    'only DEFLATE (RFC 7925 section 8)': [{ compressions: [1] }, 'illegal_parameter'],
    'DTLS 1.0 at most (RFC 7925 section 18)': [{ version: 0xfeff }, 'protocol_version'],
    'version 0000': [{ version: 0x0000 }, 'protocol_version'],
    'TLS 1.2': [{ version: 0x0303 }, 'protocol_version'],
    'a renegotiation_info that is not empty (RFC 5746 section 3.6)': [
      { extensions: concat(defaultExtensions(), Uint8Array.of(0xff, 1, 0, 2, 1, 7)) },
      'handshake_failure',
    ],
  }
  for (const [name, [fields, alert]] of Object.entries(refused)) {
    it(`F7 ${name}: ${alert} after the cookie, and no state`, () => {
      const { server, client } = greet(fields)
      expect(client.alerts).toEqual([alert])
      expect(server.failures).toHaveLength(1)
      expectRefused(server)
    })
  }

  it('F7 a hello of five thousand cipher suites, as many as a record takes, is read and the one we know is found', () => {
    const suites = Array.from({ length: 5000 }, (_, index) => 0x1a1a + index).concat(0xc0ae)
    const { server } = greet({ suites })
    expect(server.machine.counts.halfOpen).toBe(1)
  })

  it('F7 a newer version of DTLS settles for ours', () => {
    expect(greet({ version: 0xfefc }).server.machine.counts.halfOpen).toBe(1)
  })

  it('F7 SNI (RFC 6066 section 3, RFC 7925 section 14), unknown extensions and the signalling suite are tolerated; renegotiation_info is answered (RFC 5746 section 3.6)', () => {
    const sni = Uint8Array.of(0, 0, 0, 14, 0, 12, 0, 0, 9, ...Buffer.from('localhost'))
    const grease = Uint8Array.of(0x1a, 0x1a, 0, 1, 0)
    const { client } = greet({ suites: [0xc0ae, 0x00ff], extensions: concat(sni, grease, defaultExtensions()) })
    const hello = client.heard.find((record) => record.content[0] === handshakeTypes.serverHello)
    expect(Buffer.from(hello?.content ?? []).toString('hex')).toContain('ff01000100')
  })

  it('F7 every length field of a hello, set to every value that lies, is survived', () => {
    const { server, client } = meet()
    const body = client.helloBody(randomBytes(32))
    for (let at = 0; at < body.length; at += 1) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const lying = Uint8Array.from(body)
        lying[at] = value
        client.message(handshakeTypes.clientHello, lying, { messageSequence: 0, unrecorded: true })
        client.message(handshakeTypes.clientHello, lying.subarray(0, at), { messageSequence: 0, unrecorded: true })
      }
    }
    expectRefused(server)
  })
})

describe('F8: cookies (RFC 6347 section 4.2.1)', () => {
  it('F8 a cookie from another port or address is no cookie', () => {
    const { server, client } = meet()
    client.firstHello()
    const thief = new HostileClient(server, device, 50_001)
    thief.random = client.random
    thief.cookie = client.cookie
    thief.nextMessageSequence = 1
    expect(handshakeTypesOf(thief.secondHello())).toEqual([handshakeTypes.helloVerifyRequest])
    expectRefused(server)
  })

  it('F8 a cookie with any bit flipped, cut short, or of 0 or 255 bytes is answered with a new one', () => {
    const { server, client } = meet()
    client.firstHello()
    const good = client.cookie
    const flipped = Array.from(good, (byte, at) => good.with(at, byte ^ (1 << (at % 8))))
    for (const cookie of [...flipped, good.subarray(1), new Uint8Array(0), concat(good, new Uint8Array(223))]) {
      const heard = client.message(handshakeTypes.clientHello, client.helloBody(cookie), { messageSequence: 1 })
      expect(handshakeTypesOf(heard)).toEqual([handshakeTypes.helloVerifyRequest])
    }
    expectRefused(server)
    client.message(handshakeTypes.clientHello, client.helloBody(good), { messageSequence: 1 })
    expect(server.machine.counts.halfOpen).toBe(1)
  })

  it('F8 a cookie of the previous secret is good, one of the secret before it is not', () => {
    const { server, client } = meet()
    client.firstHello()
    server.advance(minutes(5))
    client.secondHello()
    expect(server.machine.counts.halfOpen).toBe(1)
    const late = meet()
    late.client.firstHello()
    late.server.advance(minutes(5))
    late.server.advance(minutes(5))
    expect(handshakeTypesOf(late.client.secondHello())).toEqual([handshakeTypes.helloVerifyRequest])
    expectRefused(late.server)
  })

  it('F8 a HelloVerifyRequest is never larger than the hello, and carries its record number', () => {
    const { server, client } = meet()
    client.sequences[0] = 0x12345678
    const record = client.messageRecord(handshakeTypes.clientHello, client.helloBody())
    const [reply] = server.receive(record, client.address)
    expect(reply?.length).toBeLessThanOrEqual(record.length)
    const smallest = client.messageRecord(handshakeTypes.clientHello, new Uint8Array(36))
    expect(server.receive(smallest, client.address)[0]?.length).toBeLessThanOrEqual(smallest.length)
    const smaller = client.messageRecord(handshakeTypes.clientHello, new Uint8Array(35))
    expect(server.receive(smaller, client.address)).toEqual([])
    expect(readRecord(reply ?? new Uint8Array(0), 0)?.sequence).toBe(0x12345678)
  })

  it('F8 a hello whose record number leaves no room for ours is dropped', () => {
    for (const sequence of [2 ** 48 - 1, 2 ** 48 - 3, 2 ** 33]) {
      const { server, client } = meet()
      client.firstHello()
      client.sequences[0] = sequence
      expect(client.secondHello()).toEqual([])
      expect(server.discards('hello-malformed')).toBe(1)
      expectRefused(server)
    }
  })

  it('F8 a datagram full of hellos brings one answer', () => {
    const { server, client } = meet()
    const hellos = Array.from({ length: 8 }, () => client.messageRecord(handshakeTypes.clientHello, client.helloBody()))
    expect(server.receive(joinDatagrams(...hellos), client.address)).toHaveLength(1)
  })

  it('F8 a first piece of a hello that ends before the cookie is dropped: there is nothing to ask for', () => {
    const { server, client } = meet()
    const body = client.helloBody()
    const half = new ByteWriter().u8(1).u24(body.length).u16(0).u24(0).u24(30).bytes(body.subarray(0, 30)).finish()
    expect(client.datagram(client.record(contentTypes.handshake, half))).toEqual([])
    expect(server.discards('hello-fragmented')).toBe(1)
  })
})

describe('F13: a ClientHello on a live 5-tuple (RFC 6347 section 4.2.8)', () => {
  it('F13 the old association lives on until the new handshake is finished, and is then replaced', () => {
    const { server, client } = meet()
    client.connect()
    const rebooted = new HostileClient(server, device)
    rebooted.firstHello()
    client.applicationData('one')
    rebooted.secondHello()
    client.applicationData('two')
    rebooted.certificate()
    rebooted.keyExchange()
    rebooted.certificateVerify()
    client.applicationData('three')
    rebooted.changeCipherSpec()
    client.applicationData('four')
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 1 })
    rebooted.finished()
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
    expect(server.all('closed').map((output) => output.reason)).toEqual(['replaced'])
    client.applicationData('five')
    rebooted.applicationData('six')
    expect(server.data).toEqual(['one', 'two', 'three', 'four', 'six'])
  })

  it('F13 the new Finished is not lost when it comes before the new keys', () => {
    const { server, client } = meet()
    client.connect()
    server.holdBack = (question) => question.kind === 'verifyPeer'
    const rebooted = new HostileClient(server, device)
    rebooted.connect()
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 1 })
    server.answerHeldBack()
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
    rebooted.applicationData('new')
    expect(server.data).toEqual(['new'])
  })

  it('F13 a spoofed hello, a failed and an abandoned handshake leave the old association alone', () => {
    const { server, client } = meet()
    client.connect()
    const spoofer = new HostileClient(server, device)
    spoofer.firstHello()
    const failing = new HostileClient(server, device)
    failing.toFlight4().certificate([])
    expect(failing.alerts).toEqual(['handshake_failure'])
    const abandoning = new HostileClient(server, device)
    abandoning.toFlight4()
    for (let second = 0; second < 61; second += 1) server.advance(seconds(1))
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
    client.applicationData('still here')
    expect(server.data).toEqual(['still here'])
  })

  it('F13 a copy of the hello that made the association begins nothing', () => {
    const { server, client } = meet()
    client.firstHello()
    const hello = client.secondHelloRecord()
    client.readFlight(client.datagram(hello))
    client.toFinished()
    expect(server.all('connected')).toHaveLength(1)
    expect(client.datagram(hello)).toEqual([])
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
  })

  it('F13 a client that begins anew within its handshake gets a new one, and one only', () => {
    const { server, client } = meet()
    client.toFlight4()
    const again = new HostileClient(server, device)
    again.connect()
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
    expect(server.failures).toHaveLength(1)
  })
})
