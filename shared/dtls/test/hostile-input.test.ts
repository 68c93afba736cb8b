/**
 * Bad input to a DTLS server that is more than one bad message: renegotiation, points, floods in small, and what is kept; F14
 * to F16 of the project's list of hostile inputs. The others: `hostile-client-authentication.test.ts`, `hostile-hello.test.ts`,
 * `hostile-records.test.ts`.
 */

import { createECDH, randomBytes } from 'node:crypto'
import { concat } from '@sallyport/bytes'
import { minutes, seconds } from '@sallyport/clock'
import { describe, expect, it, vi } from 'vitest'
import { handshakeTypes } from '../src/handshake-message.ts'
import { HostileClient } from './harness/hostile-client.ts'
import { device, expectRefused, meet, otherDevice } from './harness/hostile-meeting.ts'

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

describe('renegotiation, points', () => {
  it('F14 renegotiation in the clear or protected changes nothing (RFC 7925 section 17)', () => {
    const { server, client } = meet()
    client.connect()
    client.message(handshakeTypes.clientHello, client.helloBody(), { messageSequence: 6, unrecorded: true })
    client.certificate(otherDevice.chain, { messageSequence: 7 })
    client.applicationData('same key')
    expect(server.data).toEqual(['same key'])
    expect(server.all('connected')).toHaveLength(1)
  })

  it('F15 (RFC 8422 section 5.11) a public key off the curve, compressed, hybrid, of infinity or of the wrong length is illegal_parameter', () => {
    const ecdh = createECDH('prime256v1')
    const good = ecdh.generateKeys()
    const offCurve = Uint8Array.from(good)
    offCurve[64] = (offCurve[64] ?? 0) ^ 1
    const keys = [
      offCurve,
      ecdh.getPublicKey(null, 'compressed'),
      ecdh.getPublicKey(null, 'hybrid'),
      Uint8Array.of(0),
      concat(Uint8Array.of(4), new Uint8Array(64)),
      good.subarray(0, 64),
      concat(good, Uint8Array.of(0)),
      new Uint8Array(0),
    ]
    for (const publicKey of keys) {
      const { server, client } = meet()
      client.toFlight4().certificate()
      client.keyExchange({ publicKey })
      if (client.alerts.length === 0) client.certificateVerify()
      expectRefused(server)
      expect(client.alerts).toEqual(['illegal_parameter'])
    }
  })
})

describe('F16: floods, in small', () => {
  it('F16 20 000 cookieless hellos from 20 000 addresses leave no state', () => {
    const { server, client } = meet()
    const hello = client.messageRecord(handshakeTypes.clientHello, client.helloBody())
    for (let n = 0; n < 20_000; n += 1) {
      const from = { address: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`, port: 1024 + (n % 50_000) }
      server.machine.handleDatagram(hello, from, server.now)
      for (let output = server.machine.takeOutput(); output !== undefined; output = server.machine.takeOutput()) {
        if (output.kind === 'send' && output.datagram.length > hello.length) throw new Error('amplified')
      }
    }
    expectRefused(server)
  })

  it('F16 half-open handshakes are bounded, and every counter is back to 0 a minute after their last progress', () => {
    const { server } = meet({ maxHalfOpen: 50, maxHalfOpenPerHost: 50, maxHalfOpenPerNetwork: 50 })
    for (let n = 0; n < 80; n += 1) {
      const client = new HostileClient(server, device, 1000 + n)
      client.firstHello()
      client.secondHello()
    }
    expect(server.machine.counts.halfOpen).toBe(50)
    expect(server.discards('half-open-limit')).toBe(30)
    for (let second = 0; second < 61; second += 1) server.advance(seconds(1))
    expectRefused(server)
    new HostileClient(server, device, 999).connect()
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
  })

  it('F16 (RFC 7925 section 11) a handshake is kept for a constrained client that waits 9, 18 and 36 seconds', () => {
    const { server, client } = meet()
    client.toFlight4()
    server.advance(seconds(36))
    client.certificate()
    server.advance(seconds(36))
    client.keyExchange()
    server.advance(seconds(36))
    client.certificateVerify()
    server.advance(seconds(36))
    client.changeCipherSpec()
    client.finished()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('F16 300 handshakes with garbage certificates leave nothing, and the next good client gets in', () => {
    const { server } = meet()
    for (let n = 0; n < 300; n += 1) {
      const client = new HostileClient(server, device, 1000 + n)
      client.toFlight4().certificate([randomBytes(50 + n)])
      client.keyExchange()
      client.certificateVerify()
    }
    expectRefused(server)
    expect(server.failures).toHaveLength(300)
    new HostileClient(server, device, 999).connect()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('the cap of associations holds, and a client that has one may still replace it', () => {
    const { server } = meet({ maxAssociations: 3 })
    for (let n = 0; n < 3; n += 1) new HostileClient(server, device, 1000 + n).connect()
    expect(() => new HostileClient(server, device, 2000).connect()).toThrow('flight 4')
    new HostileClient(server, device, 1001).connect()
    expect(server.machine.counts).toEqual({ live: 3, halfOpen: 0 })
    expect(server.discards('association-limit')).toBe(1)
  })

  it('when there are as many associations as there may be, the one silent for longest gives way, and none that lives', () => {
    const { server } = meet({ maxAssociations: 3, staleAfter: minutes(10) })
    const [first, second, third] = [1000, 1001, 1002].map((port) => {
      const client = new HostileClient(server, device, port)
      client.connect()
      server.advance(minutes(1))
      return client
    })
    server.advance(minutes(8))
    first?.applicationData('alive')
    server.advance(minutes(1))
    expect(server.all('closed')).toEqual([])
    new HostileClient(server, device, 2000).connect()
    expect(server.all('closed').map(({ reason }) => reason)).toEqual(['evicted'])
    second?.applicationData('too late')
    third?.applicationData('alive')
    first?.applicationData('alive')
    expect(server.data).toEqual(['alive', 'alive', 'alive'])
    expect(() => new HostileClient(server, device, 2001).connect()).toThrow('flight 4')
    expect(server.discards('association-limit')).toBe(1)
    expect(server.machine.counts).toEqual({ live: 3, halfOpen: 0 })
  })

  it('one that only asks for a place costs nobody his', () => {
    const { server } = meet({ maxAssociations: 1, staleAfter: minutes(10) })
    new HostileClient(server, device, 1000).connect()
    server.advance(minutes(20))
    new HostileClient(server, device, 2000).toFlight4()
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 1 })
  })

  it('randoms and cookies of the server do not repeat', () => {
    const { server } = meet()
    const seen = new Set<string>()
    for (let n = 0; n < 50; n += 1) {
      const client = new HostileClient(server, device, 1000 + n).toFlight4()
      seen.add(Buffer.from(client.cookie).toString('hex'))
      seen.add(Buffer.from(client.serverRandom ?? []).toString('hex'))
      seen.add(Buffer.from(client.serverPublicKey ?? []).toString('hex'))
    }
    expect(seen.size).toBe(150)
  })
})

describe('what a handshake keeps', () => {
  it('views into the receive buffer are not kept: hellos, chains and early records survive its reuse', () => {
    // The harness overwrites each buffer after the call; an honest handshake with every message early shows it.
    const { server, client } = meet()
    server.holdBack = (question) => question.kind !== 'verifySignature' && question.kind !== 'agree'
    client.firstHello()
    expect(client.secondHello()).toEqual([])
    while (server.heldBack.length > 0) {
      for (const reply of server.answerHeldBack()) client.readFlight(client.hear(reply))
    }
    client.toFinished()
    server.answerHeldBack()
    client.applicationData('whole')
    expect(server.data).toEqual(['whole'])
  })
})
