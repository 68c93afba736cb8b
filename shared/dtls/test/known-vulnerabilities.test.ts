/**
 * What other implementations of DTLS had to put right, each tried against ours: the numbers are those of the CVE list, of
 * GitHub's advisories, and of the issues that tell of them. (State machine bugs: `server-bug-patterns.test.ts`.)
 */

import { sign } from 'node:crypto'
import { ByteWriter } from '@sallyport/bytes'
import { seconds } from '@sallyport/clock'
import { describe, expect, it, vi } from 'vitest'
import { encodeAlert } from '../src/alert.ts'
import { cipherSuites } from '../src/cipher-suite.ts'
import { handshakeTypes } from '../src/handshake-message.ts'
import { signedKeyParameters, writeKeyParameters, writeServerKeyExchange } from '../src/key-exchange-messages.ts'
import { namedGroups } from '../src/named-group.ts'
import { contentTypes, recordHeaderLength } from '../src/record.ts'
import { defaultExtensions, type HelloFields, helloWith } from './harness/hello-with.ts'
import { HostileClient, joinDatagrams } from './harness/hostile-client.ts'
import { device, expectNobodyIn, meet, serverIdentity } from './harness/hostile-meeting.ts'
import { HostileServer } from './harness/hostile-server.ts'
import { makeIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 30_000 })

const thief = makeIdentity('P-256', 'thief')
const fragment = (type: number, length: number, sequence: number, offset: number, bytes: Uint8Array): Uint8Array =>
  new ByteWriter(12 + bytes.length)
    .u8(type)
    .u24(length)
    .u16(sequence)
    .u24(offset)
    .u24(bytes.length)
    .bytes(bytes)
    .finish()

describe('authentication without proof', () => {
  it('CVE-2020-2655 (JSSE): a client that says neither Certificate nor CertificateVerify is not let in', () => {
    const { server, client } = meet()
    client.toFlight4().keyExchange()
    client.changeCipherSpec()
    client.finished()
    expectNobodyIn(server)
    expect(server.failures[0]).toMatchObject({ alert: 'unexpected_message', direction: 'sent' })
  })

  it('CVE-2022-29222 (pion): a certificate whose key the client has not is not enough, with a signature or without', () => {
    const { server } = meet()
    for (const [port, proof] of [
      () => [],
      (client: HostileClient) => client.certificateVerify({ signer: thief }),
    ].entries()) {
      const client = new HostileClient(server, device, 1000 + port)
      client.toFlight4().certificate(device.chain)
      client.keyExchange()
      proof(client)
      client.changeCipherSpec()
      client.finished()
    }
    expectNobodyIn(server)
  })

  it('CVE-2022-25640 (wolfSSL): a client that has said Certificate cannot leave CertificateVerify out', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.keyExchange()
    client.changeCipherSpec()
    client.finished()
    client.applicationData('let me in')
    expectNobodyIn(server)
    expect(server.data).toEqual([])
  })

  it('CVE-2026-2645 (wolfSSL): a CertificateVerify before ClientKeyExchange proves nothing and is unexpected', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.certificateVerify()
    client.keyExchange()
    client.changeCipherSpec()
    client.finished()
    expectNobodyIn(server)
    expect(client.alerts).toEqual(['unexpected_message'])
    expect(server.all('ask').some(({ question }) => question.kind === 'verifySignature')).toBe(false)
  })

  it('CVE-2026-55962 (wolfSSL): each message of the proof, left out, doubled or of somebody else, ends the handshake', () => {
    const chain = (client: HostileClient): unknown => client.certificate()
    const key = (client: HostileClient): unknown => client.keyExchange()
    const proof = (client: HostileClient): unknown => client.certificateVerify()
    const flights = [
      [key, proof],
      [chain, proof],
      [chain, key],
      [chain, chain, key, proof],
      [chain, key, key, proof],
      [chain, key, proof, proof],
      [(client: HostileClient) => client.certificate(thief.chain), key, proof],
      [chain, key, (client: HostileClient) => client.certificateVerify({ signer: thief })],
      [chain, key, (client: HostileClient) => client.certificateVerify({ content: new Uint8Array(0) })],
    ]
    for (const flight of flights) {
      const { server, client } = meet()
      client.toFlight4()
      for (const step of flight) step(client)
      client.changeCipherSpec()
      client.finished()
      expectNobodyIn(server)
    }
  })

  it('CVE-2021-34433 (Scandium): our client does not go on with a ServerKeyExchange that lacks its signature', () => {
    for (const signature of [new Uint8Array(0), undefined]) {
      const server = new HostileServer(serverIdentity, device)
      const parameters = writeKeyParameters(namedGroups.secp256r1, server.share.publicKey)
      const body =
        signature === undefined ? parameters : writeServerKeyExchange(parameters, { scheme: 0x0403, signature })
      server.serverHello().certificate().message(handshakeTypes.serverKeyExchange, body).helloDone()
      expect(server.connected).toBe(false)
      expect(server.heard).not.toContain(handshakeTypes.clientKeyExchange)
      expect(server.alerts).toEqual([signature === undefined ? 'decode_error' : 'decrypt_error'])
    }
  })

  it('CVE-2021-34433 (Scandium): a signature by the right key over another key share is refused', () => {
    const server = new HostileServer(serverIdentity, device)
    const parameters = writeKeyParameters(namedGroups.secp256r1, server.share.publicKey)
    const others = writeKeyParameters(namedGroups.secp256r1, Uint8Array.from(server.share.publicKey).reverse())
    server.serverHello().certificate()
    const signature = sign(
      'sha256',
      signedKeyParameters(server.clientRandom, server.random, others),
      serverIdentity.privateKey,
    )
    const body = writeServerKeyExchange(parameters, { scheme: 0x0403, signature })
    server.message(handshakeTypes.serverKeyExchange, body).helloDone()
    expect(server.alerts).toEqual(['decrypt_error'])
  })
})

describe('application data in the clear', () => {
  it('CVE-2019-20786 (pion): of epoch 0 it is never delivered, whatever the handshake has come to', () => {
    const { server, client } = meet()
    const stages = [
      () => client.firstHello(),
      () => client.secondHello(),
      () => client.certificate(),
      () => client.keyExchange(),
      () => client.certificateVerify(),
      () => client.changeCipherSpec(),
      () => client.finished(),
    ]
    for (const stage of stages) {
      client.applicationData('in the clear', 0)
      stage()
    }
    client.applicationData('in the clear', 0)
    client.applicationData('protected')
    expect(server.data).toEqual(['protected'])
  })

  it('CVE-2020-24585 (wolfSSL): nor is it by our client', () => {
    const server = new HostileServer(serverIdentity, device)
    const stages = [
      () => server.serverHello(),
      () => server.certificate().keyExchange().certificateRequest().helloDone(),
      () => server.changeCipherSpec(),
      () => server.finished(),
    ]
    for (const stage of stages) {
      server.say(contentTypes.applicationData, Buffer.from('in the clear'), 0)
      stage()
    }
    server.say(contentTypes.applicationData, Buffer.from('in the clear'), 0)
    server.say(contentTypes.applicationData, Buffer.from('protected'))
    expect(server.data).toEqual(['protected'])
  })
})

describe('nonces', () => {
  it('GHSA-9f3f-wv7r-qc8r (pion): each explicit nonce is epoch and number of its record, and none comes twice', () => {
    const { server, client } = meet()
    client.connect()
    const association = server.all('connected')[0]?.association ?? -1
    for (let n = 0; n < 5000; n += 1) server.machine.send(association, Buffer.from(String(n)))
    server.drain()
    client.message(handshakeTypes.clientHello, client.helloBody(), { messageSequence: 6 })
    server.machine.close(association)
    server.drain()
    const nonces = new Set<string>()
    let records = 0
    for (const { datagram } of server.all('send')) {
      for (let at = 0; at < datagram.length; ) {
        const record = Buffer.from(datagram.buffer, datagram.byteOffset + at, datagram.length - at)
        if (record.readUInt16BE(3) > 0) {
          const nonce = record.toString('hex', recordHeaderLength, recordHeaderLength + 8)
          expect(nonce).toBe(record.toString('hex', 3, 11))
          nonces.add(nonce)
          records += 1
        }
        at += recordHeaderLength + record.readUInt16BE(11)
      }
    }
    expect(records).toBeGreaterThan(5000)
    expect(nonces.size).toBe(records)
  })
})

describe('fragments', () => {
  const { certificate } = handshakeTypes

  it('CVE-2014-0195 (OpenSSL): fragments of one message that name different lengths overflow nothing', () => {
    const { server, client } = meet()
    client.toFlight4()
    const send = (bytes: Uint8Array): unknown => client.datagram(client.record(contentTypes.handshake, bytes, 0))
    send(fragment(certificate, 40, 2, 0, new Uint8Array(20)))
    send(fragment(certificate, 8000, 2, 20, new Uint8Array(1000).fill(0x41)))
    send(fragment(certificate, 40, 2, 30, new Uint8Array(40).fill(0x41)))
    expect(server.discards('fragment-refused')).toBe(1)
    expect(server.discards('fragment-malformed')).toBe(1)
    expect(server.failures).toEqual([])
  })

  it('CVE-2026-33846 (GnuTLS): fragments are joined by message_seq: another message of the same type is another message', () => {
    const { server, client } = meet()
    client.toFlight4()
    const record = client.messageRecord(certificate, new Uint8Array(0), { messageSequence: 2, unrecorded: true })
    expect(record.length).toBeGreaterThan(0)
    const send = (bytes: Uint8Array): unknown => client.datagram(client.record(contentTypes.handshake, bytes, 0))
    // Half of one, then the other half under the number of the next message: never whole.
    send(fragment(certificate, 6, 2, 0, Uint8Array.of(0, 0, 3)))
    send(fragment(certificate, 6, 3, 3, Uint8Array.of(0, 0, 0)))
    expect(server.failures).toEqual([])
    expect(client.alerts).toEqual([])
    expect(server.machine.counts.halfOpen).toBe(1)
  })

  it('CVE-2026-42009 (GnuTLS): two messages of one message_seq and different types: the first stands', () => {
    const { server, client } = meet()
    client.toFlight4()
    const body = client.messageRecord(certificate, new Uint8Array(0), { unrecorded: true, messageSequence: 2 })
    expect(body[recordHeaderLength]).toBe(certificate)
    const send = (bytes: Uint8Array): unknown => client.datagram(client.record(contentTypes.handshake, bytes, 0))
    send(fragment(certificate, 600, 2, 0, new Uint8Array(1)))
    for (const type of Object.values(handshakeTypes)) {
      if (type === certificate || type === handshakeTypes.clientHello) continue
      send(fragment(type, 600, 2, 1, new Uint8Array(10)))
    }
    expect(server.discards('fragment-refused')).toBe(Object.values(handshakeTypes).length - 2)
    expect(server.failures).toEqual([])
  })

  it('CVE-2022-29190 (pion): a fragment of nothing of a message that is something ends no loop and moves nothing', () => {
    const { server, client } = meet()
    client.toFlight4()
    const empty = fragment(certificate, 600, 2, 0, new Uint8Array(0))
    client.datagram(client.record(contentTypes.handshake, joinDatagrams(...Array<Uint8Array>(80).fill(empty)), 0))
    client.toFinished()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('CVE-2014-3507 (OpenSSL): ten thousand fragments and records of no bytes are kept nowhere', () => {
    const { server, client } = meet()
    client.toFlight4()
    const before = process.memoryUsage().arrayBuffers
    for (let n = 0; n < 10_000; n += 1) {
      client.datagram(
        client.record(contentTypes.handshake, fragment(certificate, 8000, 2 + (n % 8), 0, new Uint8Array(0)), 0),
      )
      client.datagram(client.record(contentTypes.handshake, new Uint8Array(0), 0))
      server.outputs.splice(0)
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 2 ** 20)
    client.toFinished()
    expect(server.all('connected')).toHaveLength(1)
  })
})

describe('memory of a peer that promises', () => {
  it('CVE-2014-3506 (OpenSSL): a thousand handshakes that each announce 16 MB are given what they have sent', () => {
    const server = new ServerUnderTest(serverIdentity, { maxHandshakesPerSecond: 1e6 })
    const clients = Array.from({ length: 1000 }, (_, n) => new HostileClient(server, device, 1000 + n).toFlight4())
    server.outputs.splice(0)
    const before = process.memoryUsage().arrayBuffers
    for (const client of clients) {
      for (const length of [0xffffff, 8192]) {
        const bytes = fragment(handshakeTypes.certificate, length, 2, 0, new Uint8Array(1))
        client.datagram(client.record(contentTypes.handshake, bytes, 0))
      }
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 2 ** 20)
    expect(server.discards('fragment-refused')).toBe(1000)
  })

  it('CVE-2022-29189 (pion): what comes out of order is kept up to 8 KiB for a handshake, then refused', () => {
    const { server, client } = meet()
    client.toFlight4()
    for (let n = 0; n < 1000; n += 1) {
      const bytes = fragment(handshakeTypes.certificate, 8000, 3 + (n % 6), 1 + n, new Uint8Array(1000))
      client.datagram(client.record(contentTypes.handshake, bytes, 0))
    }
    expect(server.discards('fragment-refused')).toBeGreaterThan(500)
    for (let second = 0; second < 61; second += 1) server.advance(seconds(1))
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
  })

  it('CVE-2015-0206 (OpenSSL): records of the next epoch are kept up to eight, however often they come', () => {
    const { server, client } = meet()
    client.toFlight4()
    for (let n = 0; n < 10_000; n += 1) {
      client.datagram(client.record(contentTypes.applicationData, Buffer.from('early'), 1))
    }
    expect(server.discards('early-record-limit')).toBe(10_000 - 8)
    client.toFinished()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('CVE-2016-2179 (OpenSSL): messages to come are not kept beyond the handshake, whether it succeeds or not', () => {
    const { server, client } = meet()
    client.toFlight4()
    const bytes = fragment(handshakeTypes.finished, 4000, 8, 0, new Uint8Array(1000))
    client.datagram(client.record(contentTypes.handshake, bytes, 0))
    client.toFinished()
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
    const before = process.memoryUsage().arrayBuffers
    for (let n = 0; n < 500; n += 1) {
      const other = new HostileClient(server, device, 1000 + n).toFlight4()
      other.datagram(
        other.record(contentTypes.handshake, fragment(handshakeTypes.finished, 8000, 8, 0, new Uint8Array(1000)), 0),
      )
      other.datagram(other.record(contentTypes.alert, encodeAlert('fatal', 'internal_error'), 0))
      server.outputs.splice(0)
      server.advance(seconds(1))
    }
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 2 ** 20)
  })
})

describe('the replay window', () => {
  it('CVE-2016-2181 (OpenSSL): forged records of high numbers and of the next epoch do not make genuine ones old', () => {
    const { server, client } = meet()
    client.connect()
    for (const [epoch, number] of [
      [1, 2 ** 48 - 1],
      [1, 1_000_000],
      [2, 0],
      [2, 2 ** 48 - 1],
    ] as const) {
      const forged = client.record(contentTypes.applicationData, Buffer.from('forged'), 1, number)
      forged[4] = epoch
      forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1
      client.datagram(forged)
    }
    client.applicationData('genuine')
    expect(server.data).toEqual(['genuine'])
  })
})

describe('cookies', () => {
  const { clientHello } = handshakeTypes

  it('CVE-2022-35409 (Mbed TLS): a cookie or session id longer than the hello is not read past its end', () => {
    const { server, client } = meet()
    const body = client.helloBody(new Uint8Array(32))
    for (const at of [34, 35]) {
      for (let length = 0; length <= 255; length += 1) {
        for (const cut of [body.length, at + 1, at + 1 + length]) {
          const lying = Uint8Array.from(body).subarray(0, cut)
          lying[at] = length
          client.message(clientHello, lying, { messageSequence: 0, unrecorded: true })
        }
      }
    }
    expect(server.failures).toEqual([])
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
  })

  it('CVE-2022-34293 (wolfSSL): nothing that a first hello may say spares it the cookie', () => {
    for (const fields of firstHellos()) {
      const { server, client } = meet()
      const body = helloWith(fields)
      client.message(clientHello, body(new Uint8Array(0)), { unrecorded: true })
      client.message(clientHello, body(new Uint8Array(32)), { unrecorded: true, messageSequence: 1 })
      expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
      expect(server.all('ask')).toEqual([])
    }
  })

  it('CVE-2022-2576 (Scandium): whatever a hello asks for, its answer before the cookie is never larger', () => {
    for (const fields of firstHellos()) {
      const { server, client } = meet()
      const body = helloWith(fields)
      for (const cookie of [0, 1, 20, 32, 255]) {
        const hello = client.messageRecord(clientHello, body(new Uint8Array(cookie)), {
          messageSequence: 1,
          unrecorded: true,
        })
        const sent = server.receive(joinDatagrams(hello, hello), client.address)
        expect(sent.reduce((sum, datagram) => sum + datagram.length, 0)).toBeLessThanOrEqual(hello.length)
      }
    }
  })

  it('CVE-2021-34430 (TinyDTLS): cookies of servers and of times are unlike one another: no secret can be guessed', () => {
    const cookies = new Set<string>()
    for (let n = 0; n < 500; n += 1) {
      const { client } = meet()
      client.random = new Uint8Array(32)
      client.firstHello()
      cookies.add(Buffer.from(client.cookie).toString('hex'))
    }
    expect(cookies.size).toBe(500)
  })
})

/** Hellos as different as they may be, those that would resume among them. */
function firstHellos(): HelloFields[] {
  const ticket = new ByteWriter()
    .bytes(defaultExtensions())
    .u16(35)
    .vector16((to) => to.bytes(new Uint8Array(200)))
  const emptyTicket = new ByteWriter().bytes(defaultExtensions()).u16(35).u16(0)
  return [
    {},
    { sessionId: 32 },
    { sessionId: 1 },
    { extensions: ticket.finish() },
    { extensions: emptyTicket.finish(), sessionId: 32 },
    { extensions: new Uint8Array(0) },
    { suites: [0xc0ae, 0x00ff, 0xc0a8, 0x00a8] },
    { suites: [] },
    { version: 0xfeff },
    { compressions: [1] },
  ]
}

describe('state that stays', () => {
  it('CVE-2020-27222, CVE-2022-39368 (Scandium): after 10 000 failed handshakes the next is served, and every counter is 0', () => {
    const server = new ServerUnderTest(serverIdentity, {
      maxHandshakesPerSecond: 1e6,
      maxHalfOpen: 100_000,
      maxHalfOpenPerHost: 100_000,
      maxHalfOpenPerNetwork: 100_000,
    })
    const failing: ((client: HostileClient) => unknown)[] = [
      (client) => client.toFlight4().certificate([Uint8Array.of(1, 2, 3)]),
      (client) => client.toFlight4().certificate([]),
      (client) => client.toFlight4().finished({ epoch: 0 }),
      (client) => client.toFlight4(),
      (client) => {
        client.toFlight4()
        client.datagram(client.record(contentTypes.alert, encodeAlert('fatal', 'internal_error'), 0))
      },
      (client) => {
        const body = helloWith({ suites: [0x0001] })
        client.helloBody = (cookie = client.cookie) => body(cookie)
        client.firstHello()
        client.message(handshakeTypes.clientHello, body(client.cookie))
      },
      (client) => {
        client.toFlight4().certificate()
        client.keyExchange()
        client.certificateVerify({ signer: thief })
      },
    ]
    for (let n = 0; n < 10_000; n += 1) {
      failing[n % failing.length]?.(new HostileClient(server, device, 1000 + n))
      server.outputs.splice(0)
    }
    for (let second = 0; second < 62; second += 1) server.advance(seconds(1))
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
    expect(server.machine.connectionIdCount).toBe(0)
    server.outputs.splice(0)
    new HostileClient(server, device, 999).connect().applicationData('good')
    expect(server.data).toEqual(['good'])
  })

  it('Mbed TLS, "hard reconnect": hellos on a live address, forged and genuine, leave what lives there untouched', () => {
    const { server, client } = meet()
    client.connect()
    for (let n = 0; n < 100; n += 1) {
      const other = new HostileClient(server, device)
      const stages = [
        () => other.firstHello(),
        () => other.secondHello(),
        () => other.certificate(),
        () => other.keyExchange(),
        () => other.certificateVerify(),
        () => other.changeCipherSpec(),
      ]
      for (const stage of stages.slice(0, n % (stages.length + 1))) stage()
      client.applicationData(String(n))
      server.advance(seconds(1))
    }
    expect(server.data).toEqual(Array.from({ length: 100 }, (_, n) => String(n)))
    expect(server.all('connected')).toHaveLength(1)
  })
})

describe('alerts and recursion', () => {
  it('CVE-2014-0221 (OpenSSL): ten thousand HelloRequests within a handshake and after it exhaust nothing', () => {
    const within = new HostileServer(serverIdentity, device).serverHello()
    const request = fragment(handshakeTypes.helloRequest, 0, 0, 0, new Uint8Array(0))
    const many = joinDatagrams(...Array<Uint8Array>(1000).fill(request))
    for (let n = 0; n < 10; n += 1) within.say(contentTypes.handshake, many, 0)
    within.certificate().keyExchange().certificateRequest().helloDone().changeCipherSpec().finished()
    expect(within.connected).toBe(true)
    for (let n = 0; n < 10_000; n += 1) within.say(contentTypes.handshake, request)
    within.say(contentTypes.applicationData, Buffer.from('still here'))
    expect(within.data).toEqual(['still here'])
    expect(within.alerts.length).toBeLessThan(10)
  })

  it('CVE-2014-3571 (OpenSSL): a record whose header comes in one datagram and whose body in the next is no record', () => {
    const { server, client } = meet()
    client.toFlight4()
    const record = client.messageRecord(handshakeTypes.certificate, new Uint8Array(40), {
      messageSequence: 2,
      unrecorded: true,
    })
    client.datagram(record.subarray(0, recordHeaderLength))
    client.datagram(record.subarray(recordHeaderLength))
    expect(server.discards('not-a-record')).toBe(2)
    client.toFinished()
    expect(server.all('connected')).toHaveLength(1)
  })
})

describe('timing', () => {
  it('CVE-2013-0169 (Lucky Thirteen): there is no suite but AEAD, so no padding is ever judged', () => {
    for (const suite of Object.values(cipherSuites)) expect(suite.aead).toMatch(/^aes-(128|256)-(gcm|ccm)$/)
    const cbc = [0xc023, 0xc024, 0xc009, 0xc00a, 0x002f, 0x0035, 0x00ae, 0x008c]
    const { server, client } = meet()
    const body = helloWith({ suites: cbc })
    client.helloBody = (cookie = client.cookie) => body(cookie)
    client.firstHello()
    client.message(handshakeTypes.clientHello, body(client.cookie))
    expect(client.alerts).toEqual(['handshake_failure'])
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
  })
})
