/**
 * Bad input to a DTLS server about who the client is: F1 to F4 of the project's list of hostile inputs (F5 and F6 are about
 * chains, which are judged elsewhere), and the attacks on other implementations that they stand for.
 */

import { randomBytes } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { handshakeTypes } from '../src/handshake-message.ts'
import { transcriptBytes } from '../src/transcript.ts'
import { HostileClient } from './harness/hostile-client.ts'
import { device, expectRefused, meet, otherDevice } from './harness/hostile-meeting.ts'
import { makeIdentity } from './harness/identity.ts'

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

describe('client authentication (RFC 5246 sections 7.4.6 and 7.4.8)', () => {
  it('F1 a client with a certificate but no CertificateVerify does not get in', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.keyExchange()
    client.changeCipherSpec()
    client.finished()
    expect(server.all('connected')).toEqual([])
  })

  it('[4.4] F2 an empty list of certificates is refused with handshake_failure', () => {
    const { server, client } = meet()
    client.toFlight4().certificate([])
    expectRefused(server)
    expect(client.alerts).toEqual(['handshake_failure'])
  })

  it('F2 a list with a certificate of no bytes is refused with bad_certificate', () => {
    const { server, client } = meet()
    client.toFlight4().certificate([new Uint8Array(0)])
    expectRefused(server)
    expect(client.alerts).toEqual(['bad_certificate'])
  })

  it('F3 a CertificateVerify by another key is refused with decrypt_error', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.keyExchange()
    client.certificateVerify({ signer: otherDevice })
    expectRefused(server)
    expect(client.alerts).toEqual(['decrypt_error'])
    expect(server.failures[0]).toMatchObject({ code: 'proof-of-possession-failed', direction: 'sent' })
    expect(server.failures[0]?.chain).toHaveLength(1)
  })

  it('F3 a CertificateVerify over a part of the transcript, over another one, or over nothing is refused', () => {
    const contents = [
      (client: HostileClient) => transcriptBytes({ messages: client.transcript.messages.slice(0, -1) }),
      (client: HostileClient) => transcriptBytes({ messages: client.transcript.messages.slice(1) }),
      () => new Uint8Array(0),
    ]
    for (const content of contents) {
      const { server, client } = meet()
      client.toFlight4().certificate()
      client.keyExchange()
      client.certificateVerify({ content: content(client) })
      expectRefused(server)
      expect(client.alerts).toEqual(['decrypt_error'])
    }
  })

  it('F3 a CertificateVerify with SHA-1, with an RSA scheme or with one unknown is refused unverified', () => {
    for (const schemeNumber of [0x0203, 0x0201, 0x0401, 0x0804, 0x0807, 0x0000]) {
      const { server, client } = meet()
      client.toFlight4().certificate()
      client.keyExchange()
      client.certificateVerify({ schemeNumber, hash: schemeNumber === 0x0203 ? 'sha1' : 'sha256' })
      expectRefused(server)
      expect(client.alerts).toEqual(['illegal_parameter'])
      expect(server.all('ask').some(({ question }) => question.kind === 'verifySignature')).toBe(false)
    }
  })

  it('F3 a replayed CertificateVerify of another handshake is refused', () => {
    const { server, client } = meet()
    client.connect()
    const recorded = client.transcript.messages.find((message) => message.type === handshakeTypes.certificateVerify)
    const thief = new HostileClient(server, device, 50_001)
    thief.toFlight4().certificate()
    thief.keyExchange()
    thief.message(handshakeTypes.certificateVerify, recorded?.body ?? new Uint8Array(0))
    expect(thief.alerts).toEqual(['decrypt_error'])
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
  })

  it('F4 what verifyPeer refuses gets the alert it names, and nobody is asked before the key is proven', () => {
    const { server, client } = meet()
    server.judge = () => ({
      accepted: false,
      alert: 'unknown_ca',
      code: 'certificate-authority-unknown',
      detail: 'another CA of the same name',
    })
    client.toFlight4().certificate()
    client.keyExchange()
    expect(server.all('ask').some(({ question }) => question.kind === 'verifyPeer')).toBe(false)
    client.certificateVerify()
    client.changeCipherSpec()
    client.finished()
    expectRefused(server)
    expect(client.alerts).toEqual(['unknown_ca'])
    expect(server.failures[0]).toMatchObject({ code: 'certificate-authority-unknown', direction: 'sent' })
  })

  it('a Finished that comes while the peer is still being judged waits for the verdict', () => {
    const { server, client } = meet()
    server.holdBack = (question) => question.kind === 'verifyPeer'
    client.connect()
    expect(server.all('connected')).toEqual([])
    expect(client.alerts).toEqual([])
    server.answerHeldBack()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('a leaf with a key of P-521 or of RSA with 1024 bits is refused with unsupported_certificate', () => {
    for (const key of ['RSA of 1024 bits', 'P-521'] as const) {
      const { server, client } = meet()
      client.toFlight4().certificate(makeIdentity(key).chain)
      expectRefused(server)
      expect(client.alerts).toEqual(['unsupported_certificate'])
    }
  })

  it('a leaf that is no certificate is refused with bad_certificate', () => {
    for (const leaf of [Uint8Array.of(0x30, 0), randomBytes(300), Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff)]) {
      const { server, client } = meet()
      client.toFlight4().certificate([leaf])
      client.keyExchange()
      client.certificateVerify()
      expectRefused(server)
      expect(client.alerts).toEqual(['bad_certificate'])
    }
  })

  it('an answer of ours that fails ends the handshake with internal_error and keeps nothing', () => {
    const { server, client } = meet()
    server.holdBack = (question) => question.kind === 'verifyPeer'
    client.connect()
    const [held] = server.heldBack
    server.machine.answer(held?.handle ?? -1, { kind: 'failed', detail: 'the database is gone' }, server.now)
    server.drain()
    expectRefused(server)
    expect(server.failures[0]).toMatchObject({ alert: 'internal_error', code: 'internal' })
  })
})
