/**
 * The 21 server bug patterns that dtls-fuzzer looks for (Fiterau-Brostean et al., "Automata-Based Automated Detection of
 * State Machine Bugs in Protocol Implementations", NDSS 2023), each against our server.
 */

import { seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { encodeAlert } from '../src/alert.ts'
import { handshakeTypes } from '../src/handshake-message.ts'
import { contentTypes } from '../src/record.ts'
import { handshakeTypesOf, joinDatagrams } from './harness/hostile-client.ts'
import { expectNobodyIn, meet } from './harness/hostile-meeting.ts'

describe('the order of messages (RFC 5246 section 7.3)', () => {
  it('an honest client gets in: the patterns below differ from it in one thing each', () => {
    const { server, client } = meet()
    client.connect()
    client.applicationData('hello')
    expect(server.all('connected')).toHaveLength(1)
    expect(server.data).toEqual(['hello'])
  })

  it('Early Finished: a Finished right after flight 4 does not end the handshake', () => {
    const { server, client } = meet()
    client.toFlight4().finished({ epoch: 0 })
    expectNobodyIn(server)
    expect(client.alerts).toEqual(['unexpected_message'])
  })

  it('CertificateVerify-less Client Authentication: a certificate without proof does not get in', () => {
    const { server, client } = meet()
    client.toFlight4()
    client.certificate()
    client.keyExchange()
    client.changeCipherSpec()
    client.finished()
    expectNobodyIn(server)
  })

  it('Certificate-less Client Authentication: no Certificate, no entry', () => {
    const { server, client } = meet()
    client.toFlight4().keyExchange()
    expect(client.alerts).toEqual(['unexpected_message'])
    client.changeCipherSpec()
    client.finished()
    expectNobodyIn(server)
  })

  it('ClientKeyExchange before Certificate is unexpected', () => {
    const { server, client } = meet()
    client.toFlight4().keyExchange()
    client.certificate()
    client.certificateVerify()
    client.changeCipherSpec()
    client.finished()
    expectNobodyIn(server)
    expect(client.alerts).toEqual(['unexpected_message'])
  })

  it('Unauthenticated ClientKeyExchange: an empty Certificate before it is refused with handshake_failure', () => {
    const { server, client } = meet()
    client.toFlight4().certificate([])
    client.keyExchange()
    client.changeCipherSpec()
    client.finished()
    expectNobodyIn(server)
    expect(client.alerts).toEqual(['handshake_failure'])
    expect(server.failures[0]?.code).toBe('certificate-missing')
  })

  it('ChangeCipherSpec before CertificateVerify does not count, whatever follows it', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.keyExchange()
    client.changeCipherSpec()
    client.certificateVerify({ epoch: 0 })
    client.finished({ epoch: 1 })
    expectNobodyIn(server)
    // The same with a protected CertificateVerify.
    const other = meet()
    other.client.toFlight4().certificate()
    other.client.keyExchange()
    other.client.changeCipherSpec()
    other.client.certificateVerify()
    other.client.finished()
    expectNobodyIn(other.server)
  })

  it('Finished before ChangeCipherSpec: in the clear it is unexpected, protected it waits for ever', () => {
    const clear = meet()
    clear.client.toFlight4().certificate()
    clear.client.keyExchange()
    clear.client.certificateVerify()
    clear.client.finished({ epoch: 0 })
    expectNobodyIn(clear.server)
    expect(clear.client.alerts).toEqual(['unexpected_message'])
    const early = meet()
    early.client.toFlight4().certificate()
    early.client.keyExchange()
    early.client.certificateVerify()
    early.client.finished({ epoch: 1 })
    expectNobodyIn(early.server)
    expect(early.client.alerts).toEqual([])
  })

  it('Multiple ChangeCipherSpec: a second change of keys does not lead to Finished', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.keyExchange()
    client.certificateVerify()
    client.changeCipherSpec()
    client.changeCipherSpec()
    client.finished({ epoch: 2 })
    expectNobodyIn(server)
    expect(client.alerts).toEqual(['unexpected_message'])
  })

  it('Multiple Certificate: a second Certificate is unexpected', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.certificate()
    expect(client.alerts).toEqual(['unexpected_message'])
    client.keyExchange()
    client.certificateVerify()
    client.changeCipherSpec()
    client.finished()
    expectNobodyIn(server)
  })

  it('Invalid Handshake Start: nothing but a ClientHello begins a handshake', () => {
    const { server, client } = meet()
    client.certificate()
    client.message(handshakeTypes.finished, new Uint8Array(12))
    client.message(handshakeTypes.helloRequest, new Uint8Array(0))
    client.message(handshakeTypes.serverHello, new Uint8Array(40))
    client.changeCipherSpec(0)
    expect(client.heard).toEqual([])
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
    expect(server.discards('unknown-association')).toBe(5)
  })
})

describe('cookies (RFC 6347 section 4.2.1)', () => {
  it('Non-conforming Cookie: the cookie is between 1 and 255 bytes and the same hello without it gets no state', () => {
    const { server, client } = meet()
    client.firstHello()
    expect(client.cookie.length).toBeGreaterThanOrEqual(16)
    expect(client.cookie.length).toBeLessThanOrEqual(255)
    expect(server.machine.counts.halfOpen).toBe(0)
  })

  it('Invalid HelloVerifyRequest Response: a second hello that differs in more than the cookie starts over', () => {
    const { server, client } = meet()
    client.firstHello()
    client.random = client.random.map((byte) => byte ^ 1)
    const heard = client.secondHello()
    expect(handshakeTypesOf(heard)).toEqual([handshakeTypes.helloVerifyRequest])
    expect(server.machine.counts.halfOpen).toBe(0)
  })

  it('HelloVerifyRequest Retransmission: no timer ever sends a HelloVerifyRequest again, because nothing is kept', () => {
    const { server, client } = meet()
    client.firstHello()
    for (let second = 0; second < 200; second += 1) expect(server.advance(seconds(1))).toEqual([])
    expect(server.machine.counts.halfOpen).toBe(0)
  })
})

describe('sturdiness', () => {
  it('Crash on CCS (RFC 6347 section 4.2.6): a change_cipher_spec at any time, before any keys exist, harms nobody', () => {
    const { server, client } = meet()
    const ccs = (): unknown => client.datagram(client.record(contentTypes.changeCipherSpec, Uint8Array.of(1), 0))
    ccs()
    client.firstHello()
    ccs()
    client.secondHello()
    ccs()
    client.certificate()
    ccs()
    client.keyExchange()
    ccs()
    client.certificateVerify()
    client.changeCipherSpec()
    client.finished()
    client.datagram(client.record(contentTypes.changeCipherSpec, Uint8Array.of(1), 0))
    client.datagram(client.record(contentTypes.changeCipherSpec, Uint8Array.of(1), 1))
    client.applicationData('still here')
    expect(server.data).toEqual(['still here'])
  })

  it('Internal Error on Finished (RFC 5246 section 7.4.9): a Finished of any length is judged, never internal_error', () => {
    for (const length of [0, 1, 11, 13, 32, 255]) {
      const { server, client } = meet()
      client.toFlight4().certificate()
      client.keyExchange()
      client.certificateVerify()
      client.changeCipherSpec()
      client.finished({ verifyData: new Uint8Array(length) })
      expectNobodyIn(server)
      expect(client.alerts).toEqual(['decrypt_error'])
    }
  })

  it('Invalid DecryptError Alert: decrypt_error answers a wrong Finished or signature, and nothing else does', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.keyExchange()
    client.certificateVerify()
    client.changeCipherSpec()
    // Not authentic: noise on the wire, no alert.
    const forged = client.finishedRecord({ unrecorded: true, messageSequence: 5 })
    forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1
    client.datagram(forged)
    expect(client.alerts).toEqual([])
    client.finished()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('Invalid Finished as Retransmission: a wrong Finished is never answered with ours', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.keyExchange()
    client.certificateVerify()
    client.changeCipherSpec()
    const heard = client.finished({ verifyData: new Uint8Array(12) })
    expect(heard.map((record) => record.type)).toEqual([contentTypes.alert])
    expectNobodyIn(server)
    // Nor once the association is open: authentic, but not the Finished that was accepted.
    const open = meet()
    open.client.connect()
    open.server.now = (open.server.now + 5000) as typeof open.server.now
    const again = open.client.finished({ messageSequence: 5, verifyData: new Uint8Array(12), unrecorded: true })
    expect(again).toEqual([])
  })
})

describe('beginning again (RFC 6347 section 4.2.8)', () => {
  it('Handshake Restarted: a ClientHello within a handshake does not continue it', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    const before = client.transcript.messages.length
    const heard = client.message(handshakeTypes.clientHello, client.helloBody(new Uint8Array(0)), { unrecorded: true })
    expect(handshakeTypesOf(heard)).toEqual([handshakeTypes.helloVerifyRequest])
    expect(client.transcript.messages.length).toBe(before)
    // The handshake under way goes on as if nothing had been said.
    client.nextMessageSequence -= 1
    client.keyExchange()
    client.certificateVerify()
    client.changeCipherSpec()
    client.finished()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('Insecure Renegotiation (RFC 7925 section 17): a protected ClientHello is refused with the warning no_renegotiation', () => {
    const { server, client } = meet()
    client.connect()
    const heard = client.message(handshakeTypes.clientHello, client.helloBody(), { messageSequence: 6 })
    expect(heard.map((record) => [record.type, record.epoch, ...record.content])).toEqual([
      [contentTypes.alert, 1, ...encodeAlert('warning', 'no_renegotiation')],
    ])
    client.applicationData('as before')
    expect(server.data).toEqual(['as before'])
    for (let flood = 0; flood < 100; flood += 1) {
      client.message(handshakeTypes.clientHello, client.helloBody(), { messageSequence: 6 })
    }
    expect(client.alerts.length).toBeLessThan(10)
  })
})

describe('after the end (RFC 5246 section 7.2)', () => {
  it('Continue After CloseNotify: what follows a close_notify, even in its datagram, is not heard', () => {
    const { server, client } = meet()
    client.connect()
    client.datagram(
      joinDatagrams(
        client.record(contentTypes.alert, encodeAlert('warning', 'close_notify')),
        client.record(contentTypes.applicationData, Buffer.from('too late')),
      ),
    )
    client.applicationData('much too late')
    expect(server.data).toEqual([])
    expect(server.all('closed').map((output) => output.reason)).toEqual(['close-notify'])
    expect(client.alerts).toEqual(['close_notify'])
  })

  it('Continue After Fatal Alert: neither a handshake nor an association goes on after one', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.datagram(client.record(contentTypes.alert, encodeAlert('fatal', 'internal_error'), 0))
    client.keyExchange()
    client.certificateVerify()
    client.changeCipherSpec()
    client.finished()
    expectNobodyIn(server)
    expect(server.failures[0]).toMatchObject({ direction: 'received', alert: 'internal_error' })
    const open = meet()
    open.client.connect()
    open.client.datagram(open.client.record(contentTypes.alert, encodeAlert('fatal', 'internal_error')))
    open.client.applicationData('still there?')
    expect(open.server.data).toEqual([])
    expect(open.server.all('closed').map((output) => output.reason)).toEqual(['fatal-alert'])
  })
})
