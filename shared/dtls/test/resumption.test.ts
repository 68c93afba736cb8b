/**
 * Resumption at the server (RFC 5077, RFC 5246 section 7.3, RFC 7627 section 5.3): who comes back with what, and what a
 * client that lies about it gets.
 */

import { randomBytes } from 'node:crypto'
import { hours, instant, minutes, seconds } from '@sallyport/clock'
import { beforeAll, describe, expect, it } from 'vitest'
import { encodeAlert } from '../src/alert.ts'
import { cipherSuites } from '../src/cipher-suite.ts'
import type { DtlsServerConfiguration } from '../src/dtls-server.ts'
import { handshakeTypes } from '../src/handshake-message.ts'
import { contentTypes } from '../src/record.ts'
import { openState, type SealingKey, type SealingKeys, sealState } from '../src/sealing.ts'
import { decodeSession, encodeSession } from '../src/session.ts'
import { HostileClient, handshakeTypesOf } from './harness/hostile-client.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'
import { ServerUnderTest } from './harness/server-under-test.ts'

const { serverHello, certificate, newSessionTicket, finished } = handshakeTypes

let serverIdentity: TestIdentity
let device: TestIdentity

beforeAll(() => {
  serverIdentity = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

const makeKey = (): SealingKey => ({ id: randomBytes(8), key: randomBytes(32) })
const keys: SealingKeys = { current: makeKey() }

const serverWith = (configuration: Partial<DtlsServerConfiguration> = {}): ServerUnderTest =>
  new ServerUnderTest(serverIdentity, { sealingKeys: keys, maxCachedSessions: 10, ...configuration })

let nextPort = 40_000
function clientOf(server: ServerUnderTest, identity: TestIdentity | undefined = device): HostileClient {
  nextPort += 1
  return new HostileClient(server, identity, nextPort)
}

/** The session of a full handshake: in a ticket, or under an id. */
function sessionOf(server: ServerUnderTest, kind: 'ticket' | 'session-id') {
  const client = clientOf(server)
  if (kind === 'ticket') client.sessionTicket = new Uint8Array(0)
  const session = client.takeSession()
  expect(server.all('connected').at(-1)?.resumed).toBe(false)
  return session
}

type Session = ReturnType<typeof sessionOf>

/** An honest client that comes back. */
function comeBack(server: ServerUnderTest, session: Session): HostileClient {
  const client = clientOf(server).toResumption(session)
  client.hearServerFinished()
  client.changeCipherSpec()
  client.finished()
  return client
}

const isFullHandshake = (client: HostileClient): boolean => handshakeTypesOf(client.heard).includes(certificate)

describe.each(['ticket', 'session-id'] as const)('a client with a %s (RFC 7925 section 7)', (kind) => {
  it('is let in again with new keys, without a certificate and without a signature', () => {
    const server = serverWith()
    const session = sessionOf(server, kind)
    const questions = server.all('ask').length
    const client = comeBack(server, session)
    expect(handshakeTypesOf(client.heard)).toEqual([handshakeTypes.helloVerifyRequest, serverHello])
    expect(
      server
        .all('ask')
        .slice(questions)
        .map(({ question }) => question.kind),
    ).toEqual(['resumePeer'])
    expect(server.all('connected').at(-1)).toMatchObject({ resumed: true, cipherSuite: client.suite?.name })
    client.applicationData('hello again')
    expect(server.data).toEqual(['hello again'])
    expect(client.alerts).toEqual([])
  })

  it('gets a HelloVerifyRequest first, of no more bytes than its hello (Scandium CVE-2022-2576)', () => {
    const server = serverWith()
    const session = sessionOf(server, kind)
    const questions = server.all('ask').length
    const client = clientOf(server)
    Object.assign(client, { sessionId: session.sessionId, sessionTicket: session.sessionTicket })
    for (const cookie of [new Uint8Array(0), randomBytes(32)]) {
      const hello = client.messageRecord(handshakeTypes.clientHello, client.helloBody(cookie))
      const replies = server.receive(hello, client.address)
      expect(replies.reduce((sum, reply) => sum + reply.length, 0)).toBeLessThanOrEqual(hello.length)
      expect(handshakeTypesOf(replies.flatMap((reply) => client.hear(reply)))).toEqual([
        handshakeTypes.helloVerifyRequest,
      ])
    }
    expect(server.all('ask')).toHaveLength(questions)
    expect(server.machine.counts.halfOpen).toBe(0)
  })

  it('[F14] is not let in when it may not come in any more: the full handshake says so', () => {
    const server = serverWith()
    const session = sessionOf(server, kind)
    server.judgeResumption = () => false
    server.judge = () => ({
      accepted: false,
      alert: 'certificate_revoked',
      code: 'certificate-revoked',
      detail: 'revoked',
    })
    const client = clientOf(server)
    client.toResumption(session).toFinished()
    expect(isFullHandshake(client)).toBe(true)
    expect(client.alerts).toEqual(['certificate_revoked'])
    expect(server.failures.map(({ code }) => code)).toEqual(['certificate-revoked'])
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
  })

  it('is judged by what was given for it at its full handshake, and by its address', () => {
    const server = serverWith()
    server.judge = () => ({ accepted: true, resumable: Buffer.from('device 7') })
    const session = sessionOf(server, kind)
    const client = comeBack(server, session)
    const question = server.all('ask').at(-1)?.question
    expect(question).toEqual({
      kind: 'resumePeer',
      resumable: new Uint8Array(Buffer.from('device 7')),
      peer: client.address,
    })
  })

  it('for which nothing was given handshakes in full each time', () => {
    const server = serverWith()
    server.judge = () => ({ accepted: true })
    const session = sessionOf(server, kind)
    const client = clientOf(server)
    client.toResumption(session).toFinished()
    expect(isFullHandshake(client)).toBe(true)
    expect(server.all('connected').at(-1)?.resumed).toBe(false)
  })

  it('comes back as often as it likes within 24 hours of the full handshake, and not after: it grows no younger', () => {
    const server = serverWith()
    const session = sessionOf(server, kind)
    for (const hour of [8, 16, 23]) {
      server.now = instant(1_000_000 + hours(hour))
      comeBack(server, session)
      expect(server.all('connected').at(-1)?.resumed).toBe(true)
    }
    server.now = instant(1_000_000 + hours(24))
    const client = clientOf(server)
    client.toResumption(session).toFinished()
    expect(isFullHandshake(client)).toBe(true)
    expect(client.alerts).toEqual([])
  })

  it('that does not offer the suite of the session handshakes in full', () => {
    const server = serverWith()
    const session = sessionOf(server, kind)
    const client = clientOf(server)
    client.cipherSuites = ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256']
    client.toResumption(session).toFinished()
    expect(isFullHandshake(client)).toBe(true)
    expect(server.all('connected').at(-1)).toMatchObject({
      resumed: false,
      cipherSuite: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    })
  })

  it('goes on with the suite of the session, whatever else is offered before it', () => {
    const server = serverWith()
    const session = sessionOf(server, kind)
    const client = clientOf(server)
    client.cipherSuites = ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8']
    client.toResumption(session)
    expect(client.serverHello?.cipherSuite).toBe(cipherSuites.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8.number)
  })

  it('whose hello lacks extended master secret is refused (RFC 7627 section 5.3)', () => {
    const server = serverWith()
    const session = sessionOf(server, kind)
    const client = clientOf(server)
    client.extendedMasterSecret = false
    client.toResumption(session)
    expect(client.alerts).toEqual(['handshake_failure'])
    expect(server.machine.counts.halfOpen).toBe(0)
  })

  it('whose hello lacks it is refused also where it could go on with a pre-shared key', () => {
    const server = serverWith({ psk: {} })
    const session = sessionOf(server, kind)
    const client = clientOf(server)
    client.extendedMasterSecret = false
    client.cipherSuites = ['TLS_PSK_WITH_AES_128_CCM_8']
    client.toResumption(session)
    expect(client.alerts).toEqual(['handshake_failure'])
  })

  it('that asks for a pre-shared key alone does not go on: its session was of a certificate', () => {
    const server = serverWith({ psk: {} })
    const session = sessionOf(server, kind)
    const client = clientOf(server)
    client.cipherSuites = ['TLS_PSK_WITH_AES_128_CCM_8']
    const asked = server.all('ask').length
    client.toResumption(session)
    expect(
      server
        .all('ask')
        .slice(asked)
        .map(({ question }) => question.kind),
    ).not.toContain('resumePeer')
    expect(client.alerts).toEqual([])
  })

  it('that does not hold the keys of the session gets no further: its Finished is noise', () => {
    const server = serverWith()
    const session = sessionOf(server, kind)
    const thief = clientOf(server, undefined)
    thief.toResumption({ ...session, masterSecret: randomBytes(48) })
    thief.changeCipherSpec()
    thief.finished()
    thief.applicationData('let me in')
    expect(server.all('connected')).toHaveLength(1)
    expect(server.data).toEqual([])
    expect(server.discards('not-authentic')).toBe(2)
    server.advance(minutes(2))
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
    comeBack(server, session)
    expect(server.all('connected').at(-1)?.resumed).toBe(true)
  })

  it('whose Finished is wrong is refused with decrypt_error', () => {
    const server = serverWith()
    const client = clientOf(server).toResumption(sessionOf(server, kind))
    client.hearServerFinished()
    client.changeCipherSpec()
    client.finished({ verifyData: randomBytes(12) })
    expect(client.alerts).toEqual(['decrypt_error'])
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
  })

  it('whose Finished does not cover ours is refused', () => {
    const server = serverWith()
    const client = clientOf(server).toResumption(sessionOf(server, kind))
    client.changeCipherSpec()
    client.finished()
    expect(client.alerts).toEqual(['decrypt_error'])
  })

  it('that sends its Finished without ChangeCipherSpec is not let in', () => {
    const server = serverWith()
    const session = sessionOf(server, kind)
    const protectedFinished = clientOf(server).toResumption(session)
    protectedFinished.hearServerFinished()
    protectedFinished.finished({ epoch: 1 })
    expect(server.all('connected')).toHaveLength(1)
    const plainFinished = clientOf(server).toResumption(session)
    plainFinished.hearServerFinished()
    plainFinished.finished({ epoch: 0 })
    expect(plainFinished.alerts).toEqual(['unexpected_message'])
    expect(server.all('connected')).toHaveLength(1)
  })

  it('that sends ChangeCipherSpec before it is answered gains nothing by it', () => {
    const server = serverWith()
    const session = sessionOf(server, kind)
    server.holdBack = (question) => question.kind === 'resumePeer'
    const client = clientOf(server).toResumption(session)
    client.changeCipherSpec()
    client.applicationData('too early', 1)
    expect(server.all('connected')).toHaveLength(1)
    for (const reply of server.answerHeldBack()) client.readFlight(client.hear(reply))
    client.hearServerFinished()
    client.finished()
    client.applicationData('in time')
    expect(server.all('connected').at(-1)?.resumed).toBe(true)
    expect(server.data).toEqual(['in time'])
  })

  it('that sends a Certificate in an abbreviated handshake is refused', () => {
    const server = serverWith()
    const client = clientOf(server).toResumption(sessionOf(server, kind))
    client.certificate()
    expect(client.alerts).toEqual(['unexpected_message'])
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
  })

  it('whose hello was recorded and is sent again from its address, or another, gets in nobody', () => {
    const server = serverWith()
    const session = sessionOf(server, kind)
    const client = clientOf(server)
    Object.assign(client, { sessionId: session.sessionId, sessionTicket: session.sessionTicket })
    client.resumedSecret = session.masterSecret
    client.firstHello()
    const hello = client.secondHelloRecord()
    client.readFlight(client.datagram(hello))
    client.hearServerFinished()
    client.changeCipherSpec()
    client.finished()
    expect(server.all('connected')).toHaveLength(2)
    const replies = server.receive(hello, client.address)
    expect(replies).toEqual([])
    expect(server.discards('hello-repeated')).toBe(1)
    const elsewhere = server.receive(hello, { address: '198.51.100.9', port: 1000 })
    expect(elsewhere.map((reply) => reply.length)).toEqual([60])
    expect(server.all('connected')).toHaveLength(2)
  })

  it('gets a connection ID anew, and not its old one', () => {
    const server = serverWith()
    const first = clientOf(server)
    first.connectionId = new Uint8Array(0)
    if (kind === 'ticket') first.sessionTicket = new Uint8Array(0)
    const session = first.takeSession()
    const client = clientOf(server)
    client.connectionId = new Uint8Array(0)
    client.toResumption(session)
    client.hearServerFinished()
    client.changeCipherSpec()
    client.finished()
    expect(client.serverConnectionId).toHaveLength(8)
    expect(client.serverConnectionId).not.toEqual(first.serverConnectionId)
    client.address = { address: '203.0.113.5', port: 9 }
    client.applicationData('from elsewhere')
    expect(server.data).toEqual(['from elsewhere'])
    expect(server.machine.connectionIdCount).toBe(2)
    const without = comeBack(server, session)
    expect(without.serverConnectionId).toBeUndefined()
    expect(server.machine.connectionIdCount).toBe(2)
  })

  it('does not disturb the association at its address before it has proven itself, and replaces it then', () => {
    const server = serverWith()
    const first = clientOf(server)
    if (kind === 'ticket') first.sessionTicket = new Uint8Array(0)
    const session = first.takeSession()
    const again = clientOf(server)
    again.address = first.address
    again.toResumption(session)
    first.applicationData('still here')
    expect(server.data).toEqual(['still here'])
    again.hearServerFinished()
    again.changeCipherSpec()
    again.finished()
    expect(server.all('closed').map(({ reason }) => reason)).toEqual(['replaced'])
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
  })

  it('has our flight sent again, and repeats its hello as often as it likes', () => {
    const server = serverWith()
    const session = sessionOf(server, kind)
    const client = clientOf(server).toResumption(session)
    const again = server.advance(seconds(1)).flatMap((reply) => client.hear(reply))
    expect(again.map(({ type, epoch }) => [type, epoch])).toEqual([
      [contentTypes.handshake, 0],
      [contentTypes.changeCipherSpec, 0],
      [contentTypes.handshake, 1],
    ])
    client.hearServerFinished()
    client.changeCipherSpec()
    client.finished()
    expect(server.all('connected').at(-1)?.resumed).toBe(true)
    expect(server.advance(minutes(1))).toEqual([])
  })

  it('has what overtook its Finished heard once that has come', () => {
    const server = serverWith()
    const client = clientOf(server).toResumption(sessionOf(server, kind))
    client.hearServerFinished()
    client.changeCipherSpec()
    const last = client.finishedRecord()
    client.applicationData('I was faster')
    expect(server.data).toEqual([])
    client.datagram(last)
    expect(server.data).toEqual(['I was faster'])
  })
})

describe('a ticket (RFC 5077 section 3)', () => {
  it('comes with the full handshake of a client that knows tickets, before ChangeCipherSpec', () => {
    const server = serverWith()
    const client = clientOf(server)
    client.sessionTicket = new Uint8Array(0)
    client.toFlight4()
    expect(client.serverHello?.sessionTicket).toBe(true)
    expect(client.serverHello?.sessionId).toHaveLength(0)
    const before = client.heard.length
    client.toFinished()
    const flight6 = client.heard.slice(before)
    expect(flight6.map(({ type, epoch, content }) => [type, epoch, content[0]])).toEqual([
      [contentTypes.handshake, 0, newSessionTicket],
      [contentTypes.changeCipherSpec, 0, 1],
      [contentTypes.handshake, 1, finished],
    ])
    client.readFlight(flight6)
    expect(client.newSessionTicket?.lifetime).toBe(hours(24))
    expect(server.machine.cachedSessionCount).toBe(0)
  })

  it('is not given to a client that knows none, nor by a server without keys', () => {
    const server = serverWith()
    const plain = clientOf(server).toFlight4()
    expect(plain.serverHello?.sessionTicket).toBe(false)
    const keyless = new ServerUnderTest(serverIdentity)
    const client = clientOf(keyless)
    client.sessionTicket = new Uint8Array(0)
    client.toFlight4().toFinished()
    expect(client.serverHello?.sessionTicket).toBe(false)
    expect(handshakeTypesOf(client.heard)).not.toContain(newSessionTicket)
    expect(keyless.machine.counts.live).toBe(1)
  })

  it('that was promised is empty for a peer that may not come back with it (RFC 5077 section 3.3)', () => {
    const server = serverWith()
    server.judge = () => ({ accepted: true })
    const client = clientOf(server)
    client.sessionTicket = new Uint8Array(0)
    client.takeSession()
    expect(client.newSessionTicket).toEqual({ lifetime: 0, ticket: new Uint8Array(0) })
    expect(server.machine.counts.live).toBe(1)
  })

  it('holds nothing but what the session needs, sealed: not the name of the peer, not its address', () => {
    const server = serverWith()
    server.judge = () => ({ accepted: true, resumable: Buffer.from('device 7') })
    const { sessionTicket = new Uint8Array(0), masterSecret } = sessionOf(server, 'ticket')
    const opened = openState(keys, 'session-ticket', sessionTicket)
    const session = decodeSession(opened ?? new Uint8Array(0))
    expect(session).toMatchObject({ establishedAt: server.now, resumable: new Uint8Array(Buffer.from('device 7')) })
    expect(session?.masterSecret).toEqual(masterSecret)
    expect(Buffer.from(sessionTicket).includes(Buffer.from('device 7'))).toBe(false)
  })

  it('is another at each handshake', () => {
    const server = serverWith()
    const tickets = Array.from({ length: 5 }, () =>
      Buffer.from(sessionOf(server, 'ticket').sessionTicket ?? []).toString('hex'),
    )
    expect(new Set(tickets.map((ticket) => ticket.slice(16, 40))).size).toBe(5)
  })

  it('under the former key is taken, and one under the current key comes in its place, as old as the session is', () => {
    const server = serverWith()
    const session = sessionOf(server, 'ticket')
    const rotated = { current: makeKey(), previous: keys.current }
    server.machine.setSealingKeys(rotated)
    server.now = instant(1_000_000 + hours(10))
    const client = comeBack(server, session)
    expect(handshakeTypesOf(client.heard)).toEqual([handshakeTypes.helloVerifyRequest, serverHello, newSessionTicket])
    expect(server.all('connected').at(-1)?.resumed).toBe(true)
    expect(client.newSessionTicket?.lifetime).toBe(hours(14))
    server.machine.setSealingKeys({ current: makeKey(), previous: rotated.current })
    const renewed = { ...session, sessionTicket: client.newSessionTicket?.ticket ?? new Uint8Array(0) }
    comeBack(server, renewed)
    expect(server.all('connected').at(-1)?.resumed).toBe(true)
    server.now = instant(1_000_000 + hours(24))
    expect(isFullHandshake(clientOf(server).toResumption(renewed))).toBe(true)
  })

  it('under the current key is not renewed', () => {
    const server = serverWith()
    const client = comeBack(server, sessionOf(server, 'ticket'))
    expect(client.serverHello?.sessionTicket).toBe(false)
    expect(client.newSessionTicket).toBeUndefined()
  })

  it('is taken by another server that has the keys, and by none that has not: that one handshakes in full', () => {
    const session = sessionOf(serverWith(), 'ticket')
    const sibling = serverWith()
    comeBack(sibling, session)
    expect(sibling.all('connected').at(-1)?.resumed).toBe(true)
    const stranger = serverWith({ sealingKeys: { current: makeKey() } })
    const client = clientOf(stranger)
    client.toResumption(session).toFinished()
    expect(isFullHandshake(client)).toBe(true)
    expect(client.alerts).toEqual([])
    expect(stranger.machine.counts.live).toBe(1)
  })

  it('with any bit altered, cut short, of another purpose or of another version is none: the full handshake follows', () => {
    const server = serverWith()
    const session = sessionOf(server, 'ticket')
    const { sessionTicket: ticket = new Uint8Array(0) } = session
    const opened = openState(keys, 'session-ticket', ticket) ?? new Uint8Array(0)
    const otherVersion = Uint8Array.from(opened)
    otherVersion[0] = 2
    const tooLong = Buffer.concat([opened, Buffer.of(0)])
    const bad = [
      ...[0, 9, 21, 60, ticket.length - 1].map((at) => ticket.map((byte, index) => (index === at ? byte ^ 1 : byte))),
      ticket.subarray(0, ticket.length - 1),
      ticket.subarray(0, 20),
      Uint8Array.of(0),
      randomBytes(ticket.length),
      sealState(keys, 'association', opened, randomBytes(12)),
      ...[otherVersion, tooLong, opened.subarray(0, 50), new Uint8Array(0)].map((state) =>
        sealState(keys, 'session-ticket', state, randomBytes(12)),
      ),
    ]
    for (const sessionTicket of bad) {
      const client = clientOf(server)
      client.toResumption({ ...session, sessionTicket }).toFinished()
      expect(isFullHandshake(client)).toBe(true)
      expect(client.alerts).toEqual([])
    }
    expect(server.machine.counts).toEqual({ live: bad.length + 1, halfOpen: 0 })
    expect(server.all('connected').filter(({ resumed }) => resumed)).toEqual([])
  })

  it('of a suite that the server does not speak any more is none', () => {
    const session = sessionOf(serverWith(), 'ticket')
    const server = serverWith({ cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'] })
    const client = clientOf(server)
    client.cipherSuites = ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256']
    client.toResumption(session).toFinished()
    expect(isFullHandshake(client)).toBe(true)
    expect(server.machine.counts.live).toBe(1)
  })

  it('is taken from a client without a session id, which must tell by our flight (RFC 5077 section 3.4)', () => {
    const server = serverWith()
    const session = sessionOf(server, 'ticket')
    const client = clientOf(server).toResumption({ ...session, sessionId: new Uint8Array(0) })
    expect(client.serverHello?.sessionId).toHaveLength(0)
    expect(handshakeTypesOf(client.heard)).toEqual([handshakeTypes.helloVerifyRequest, serverHello])
  })
})

describe('a session id (RFC 5246 section 7.4.1.2)', () => {
  it('is given to a client that knows no tickets: 32 bytes, another each time', () => {
    const server = serverWith()
    const ids = Array.from({ length: 5 }, () => sessionOf(server, 'session-id').sessionId)
    expect(ids.map((id) => id.length)).toEqual([32, 32, 32, 32, 32])
    expect(new Set(ids.map((id) => Buffer.from(id).toString('hex'))).size).toBe(5)
    expect(server.machine.cachedSessionCount).toBe(5)
  })

  it('is given by no server that keeps no sessions', () => {
    const client = clientOf(serverWith({ maxCachedSessions: 0 })).toFlight4()
    expect(client.serverHello?.sessionId).toHaveLength(0)
  })

  it('of 33 bytes is no hello', () => {
    const server = serverWith()
    const client = clientOf(server)
    client.sessionId = randomBytes(33)
    client.firstHello()
    client.secondHello()
    expect(client.alerts).toEqual(['decode_error'])
    expect(server.machine.counts.halfOpen).toBe(0)
  })

  it('that nobody has given leads to a full handshake and a new one', () => {
    const server = serverWith()
    const client = clientOf(server)
    client.toResumption({ sessionId: randomBytes(32), masterSecret: randomBytes(48) }).toFinished()
    expect(isFullHandshake(client)).toBe(true)
    expect(client.serverHello?.sessionId).toHaveLength(32)
    expect(client.serverHello?.sessionId).not.toEqual(client.sessionId)
    expect(server.machine.counts.live).toBe(1)
  })

  it('from a client that knows tickets is not looked up', () => {
    const server = serverWith()
    const session = sessionOf(server, 'session-id')
    const client = clientOf(server)
    client.toResumption({ ...session, sessionTicket: new Uint8Array(0) })
    expect(isFullHandshake(client)).toBe(true)
  })

  it('is forgotten when there are too many: the one that was not used for longest goes', () => {
    const server = serverWith({ maxCachedSessions: 3 })
    const [first, second] = [sessionOf(server, 'session-id'), sessionOf(server, 'session-id')]
    sessionOf(server, 'session-id')
    comeBack(server, first)
    sessionOf(server, 'session-id')
    expect(server.machine.cachedSessionCount).toBe(3)
    comeBack(server, first)
    expect(server.all('connected').at(-1)?.resumed).toBe(true)
    expect(isFullHandshake(clientOf(server).toResumption(second))).toBe(true)
  })

  it('is forgotten when its peer may not come in any more, when it is too old, and when it fails', () => {
    const server = serverWith()
    const refused = sessionOf(server, 'session-id')
    server.judgeResumption = () => false
    clientOf(server).toResumption(refused)
    expect(server.machine.cachedSessionCount).toBe(0)
    server.judgeResumption = () => true
    expect(isFullHandshake(clientOf(server).toResumption(refused))).toBe(true)

    const failing = clientOf(server).toResumption(sessionOf(server, 'session-id'))
    failing.changeCipherSpec()
    failing.finished({ verifyData: new Uint8Array(12) })
    expect(server.machine.cachedSessionCount).toBe(0)

    const old = sessionOf(server, 'session-id')
    server.now = instant(server.now + hours(24))
    clientOf(server).toResumption(old)
    expect(server.machine.cachedSessionCount).toBe(0)
  })

  it('is forgotten after a fatal alert of its peer, in the first association and in a later one (RFC 5246 section 7.2.2)', () => {
    for (const later of [false, true]) {
      const server = serverWith()
      const first = clientOf(server)
      const session = first.takeSession()
      const client = later ? comeBack(server, session) : first
      client.datagram(client.record(contentTypes.alert, encodeAlert('fatal', 'internal_error')))
      expect(server.all('closed').map(({ reason }) => reason)).toEqual(['fatal-alert'])
      expect(server.machine.cachedSessionCount).toBe(0)
    }
  })

  it('outlives an association that was closed in peace, and a forged alert', () => {
    const server = serverWith()
    const first = clientOf(server)
    const session = first.takeSession()
    first.datagram(first.record(contentTypes.alert, encodeAlert('warning', 'close_notify')))
    const second = clientOf(server).toResumption(session)
    second.datagram(second.record(contentTypes.alert, encodeAlert('fatal', 'internal_error'), 0))
    expect(server.machine.counts).toEqual({ live: 0, halfOpen: 0 })
    comeBack(server, session)
    expect(server.all('connected').at(-1)?.resumed).toBe(true)
  })
})

describe('the state of a session', () => {
  it('is what it was, and takes at most 256 bytes of the application', () => {
    const suite = cipherSuites.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    const session = {
      suite,
      masterSecret: randomBytes(48),
      establishedAt: instant(1_763_727_000_123),
      resumable: randomBytes(256),
    }
    expect(decodeSession(encodeSession(session))).toEqual({
      ...session,
      masterSecret: new Uint8Array(session.masterSecret),
      resumable: new Uint8Array(session.resumable),
    })
    expect(() => encodeSession({ ...session, resumable: randomBytes(257) })).toThrow(RangeError)
  })
})

describe('abbreviated handshakes', () => {
  it('open by ChangeCipherSpec and then Finished alone, of all orders of up to three steps', () => {
    const server = serverWith()
    const session = sessionOf(server, 'ticket')
    const steps = {
      changeCipherSpec: (client: HostileClient) => client.changeCipherSpec(),
      finished: (client: HostileClient) => client.finished(),
      finishedInTheClear: (client: HostileClient) => client.finished({ epoch: 0 }),
      certificate: (client: HostileClient) => client.certificate(),
      emptyCertificate: (client: HostileClient) => client.certificate([]),
      data: (client: HostileClient) => client.applicationData('let me in'),
      dataInTheClear: (client: HostileClient) => client.applicationData('let me in', 0),
    }
    const names = Object.keys(steps) as (keyof typeof steps)[]
    const orders = [[], ...names.map((a) => [a]), ...names.flatMap((a) => names.map((b) => [a, b]))].flatMap((order) =>
      order.length === 2 ? [order, ...names.map((c) => [...order, c])] : [order],
    )
    for (const order of orders) {
      // So many at one moment would be too many for one host.
      server.now = instant(server.now + 50)
      const before = server.all('connected').length
      const heardBefore = server.data.length
      const client = clientOf(server).toResumption(session)
      client.hearServerFinished()
      for (const name of order) steps[name](client)
      const opened = server.all('connected').length > before
      // Data in the clear is noise, as it would be from anyone.
      const said = order.filter((name) => name !== 'dataInTheClear')
      const early = said[0] === 'data' || said[1] === 'data' ? said.filter((name) => name !== 'data') : said
      const legal = early[0] === 'changeCipherSpec' && early[1] === 'finished'
      expect([order, opened]).toEqual([order, legal])
      if (!legal) expect([order, server.data.length]).toEqual([order, heardBefore])
    }
    process.stdout.write(`orders of an abbreviated handshake: ${orders.length}\n`)
  })

  it('that fail by the hundred leave nothing behind', () => {
    const server = serverWith()
    const session = sessionOf(server, 'ticket')
    for (let n = 0; n < 200; n += 1) {
      const client = clientOf(server).toResumption({ ...session, masterSecret: randomBytes(48) })
      client.changeCipherSpec()
      client.finished()
    }
    server.advance(minutes(2))
    expect(server.machine.counts).toEqual({ live: 1, halfOpen: 0 })
    expect(server.machine.connectionIdCount).toBe(0)
  })
})
