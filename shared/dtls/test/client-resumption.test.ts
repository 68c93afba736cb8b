/** Resumption at our client: what it keeps, what it offers, and what a server that lies about sessions gets. */

import { randomBytes } from 'node:crypto'
import { hours, instant, seconds } from '@sallyport/clock'
import { beforeAll, describe, expect, it } from 'vitest'
import type { ClientSession } from '../src/client-session.ts'
import type { DtlsClientConfiguration } from '../src/dtls-client.ts'
import { handshakeTypes } from '../src/handshake-message.ts'
import { contentTypes } from '../src/record.ts'
import { HostileServer } from './harness/hostile-server.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'

const { clientHello, certificate, clientKeyExchange, finished } = handshakeTypes

let honest: TestIdentity
let device: TestIdentity

beforeAll(() => {
  honest = makeIdentity('P-256', 'server')
  device = makeIdentity('P-256', 'device')
})

const meet = (configuration: Partial<DtlsClientConfiguration> = {}): HostileServer =>
  new HostileServer(honest, device, { wantsSession: true, ...configuration })

const ticket = randomBytes(200)

/** Ends a full handshake, as if all of the server's hello had been said. */
function inFull(server: HostileServer): HostileServer {
  return server.certificate().keyExchange().certificateRequest().helloDone()
}

const sessionOf = (server: HostileServer): ClientSession | undefined =>
  server.outputs.find((output) => output.kind === 'connected')?.session

const resumed = (server: HostileServer): boolean | undefined =>
  server.outputs.find((output) => output.kind === 'connected')?.resumed

function takeTicket(lifetime = seconds(3600)): ClientSession {
  const server = meet()
  inFull(server.serverHello(server.helloOf({ sessionTicket: true })))
  const session = sessionOf(server.newSessionTicket(ticket, lifetime).changeCipherSpec().finished())
  if (session === undefined) throw new Error('no session')
  return session
}

function takeSessionId(): ClientSession {
  const server = meet()
  inFull(server.serverHello(server.helloOf({ sessionId: randomBytes(32) })))
  const session = sessionOf(server.changeCipherSpec().finished())
  if (session === undefined) throw new Error('no session')
  return session
}

/** The server's flight of an abbreviated handshake. */
function resume(server: HostileServer, session: ClientSession): HostileServer {
  const { sessionId } = server.clientSessions.at(-1) ?? {}
  return server
    .serverHello(server.helloOf({ sessionId }))
    .useSession(session.masterSecret)
    .changeCipherSpec()
    .finished()
}

describe('a client that wants sessions', () => {
  it('asks for a ticket, keeps it with what is needed, and offers it with a session id of its own', () => {
    const session = takeTicket()
    expect(session).toMatchObject({ cipherSuite: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', chain: honest.chain })
    expect(session.ticket).toEqual(new Uint8Array(ticket))
    expect(session.masterSecret).toHaveLength(48)
    const server = meet({ session })
    server.helloVerifyRequest()
    expect(server.clientSessions.map(({ sessionTicket }) => sessionTicket)).toEqual([session.ticket, session.ticket])
    expect(server.clientSessions.map(({ sessionId }) => sessionId)).toEqual([session.sessionId, session.sessionId])
    expect(session.sessionId).toHaveLength(32)
  })

  it('keeps the id of a server that has no tickets, and asks for a ticket the next time too', () => {
    const session = takeSessionId()
    expect(session.ticket).toHaveLength(0)
    const [offered] = meet({ session }).clientSessions
    expect(offered).toEqual({ sessionId: session.sessionId, sessionTicket: new Uint8Array(0) })
  })

  it('has none of a server that gives none, or thinks better of it', () => {
    const none = meet()
    expect(sessionOf(inFull(none.serverHello()).changeCipherSpec().finished())).toBeUndefined()
    const empty = meet()
    inFull(empty.serverHello(empty.helloOf({ sessionTicket: true })))
    const connected = empty.newSessionTicket(new Uint8Array(0)).changeCipherSpec().finished()
    expect(connected.connected).toBe(true)
    expect(sessionOf(connected)).toBeUndefined()
  })

  it('ignores the session id that comes with a ticket (RFC 5077 section 3.4)', () => {
    const server = meet()
    const sessionId = randomBytes(32)
    inFull(server.serverHello(server.helloOf({ sessionTicket: true, sessionId })))
    const session = sessionOf(server.newSessionTicket(ticket).changeCipherSpec().finished())
    expect(session?.sessionId).not.toEqual(new Uint8Array(sessionId))
  })

  it('keeps a session as long as the server says, a day at most', () => {
    expect(takeTicket(seconds(600)).expiresAt).toBe(600_000)
    expect(takeTicket(hours(1000)).expiresAt).toBe(86_400_000)
    expect(takeTicket(seconds(0)).expiresAt).toBe(86_400_000)
    const [offered] = meet({ session: { ...takeTicket(), expiresAt: instant(0) } }).clientSessions
    expect(offered).toEqual({ sessionId: new Uint8Array(0), sessionTicket: new Uint8Array(0) })
  })

  it('does not offer a session of a suite that it does not offer any more', () => {
    const server = meet({ session: takeTicket(), cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'] })
    expect(server.clientSessions[0]?.sessionId).toHaveLength(0)
  })
})

describe('a client that does not', () => {
  it('says nothing of sessions, and keeps none', () => {
    const server = meet({ wantsSession: false })
    expect(server.clientSessions).toEqual([{ sessionId: new Uint8Array(0), sessionTicket: undefined }])
    inFull(server.serverHello(server.helloOf({ sessionId: randomBytes(32) })))
    expect(sessionOf(server.changeCipherSpec().finished())).toBeUndefined()
    expect(server.connected).toBe(true)
  })

  it('is not promised a ticket: unsupported_extension', () => {
    const server = meet({ wantsSession: false })
    server.serverHello(server.helloOf({ sessionTicket: true }))
    expect(server.alerts).toEqual(['unsupported_extension'])
  })

  it('is not sent a ticket', () => {
    const server = meet({ wantsSession: false })
    inFull(server.serverHello()).newSessionTicket(ticket)
    expect(server.alerts).toEqual(['unexpected_message'])
    expect(server.connected).toBe(false)
  })
})

describe.each([
  ['a ticket', takeTicket],
  ['a session id', takeSessionId],
] as const)('a client with %s', (_name, take) => {
  it('goes on with a server that repeats its session id: two messages, and the judgement of the chain anew', () => {
    const session = take()
    const server = meet({ session })
    let judged: readonly Uint8Array[] = []
    server.judge = (chain) => {
      judged = chain
      return { accepted: true }
    }
    resume(server.helloVerifyRequest(), session)
    expect(resumed(server)).toBe(true)
    expect(server.heard).toEqual([clientHello, clientHello, finished])
    expect(judged).toEqual(honest.chain)
    expect(sessionOf(server)).toEqual(session)
    server.say(contentTypes.applicationData, Buffer.from('hello'))
    expect(server.data).toEqual(['hello'])
  })

  it('handshakes in full with a server that does not, and keeps the new session', () => {
    const session = take()
    const server = meet({ session })
    inFull(server.serverHello(server.helloOf({ sessionId: randomBytes(32) })))
    server.changeCipherSpec().finished()
    expect(resumed(server)).toBe(false)
    expect(server.heard).toContain(certificate)
    expect(sessionOf(server)?.masterSecret).not.toEqual(session.masterSecret)
  })

  it('refuses a server whose certificate is not good any more', () => {
    const session = take()
    const server = meet({ session })
    server.judge = () => ({ accepted: false, alert: 'certificate_expired', code: 'certificate-expired', detail: 'old' })
    resume(server, session)
    expect(server.connected).toBe(false)
    expect(server.failure?.code).toBe('certificate-expired')
    expect(server.heard).not.toContain(finished)
  })

  it('refuses a server that goes on with another suite than the session had', () => {
    const session = take()
    const server = meet({ session })
    server.suite = 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'
    server.serverHello(server.helloOf({ sessionId: session.sessionId }))
    expect(server.alerts).toEqual(['illegal_parameter'])
  })

  it('is not connected to a server that has not the keys, nor does it say anything to it', () => {
    const session = take()
    const server = meet({ session })
    resume(server, { ...session, masterSecret: randomBytes(48) })
    expect(server.connected).toBe(false)
    expect(server.heard).toEqual([clientHello])
  })

  it('refuses a Finished that is wrong', () => {
    const session = take()
    const server = meet({ session })
    server.serverHello(server.helloOf({ sessionId: session.sessionId })).useSession(session.masterSecret)
    server.changeCipherSpec().finished({ verifyData: new Uint8Array(12) })
    expect(server.failure).toMatchObject({ alert: 'decrypt_error', direction: 'sent' })
    expect(server.connected).toBe(false)
  })

  it('refuses a Finished in the clear', () => {
    const session = take()
    const server = meet({ session })
    server.serverHello(server.helloOf({ sessionId: session.sessionId })).useSession(session.masterSecret)
    server.finished()
    expect(server.alerts).toEqual(['unexpected_message'])
  })

  it('refuses a certificate where the session goes on', () => {
    const session = take()
    const server = meet({ session })
    server.serverHello(server.helloOf({ sessionId: session.sessionId })).certificate()
    expect(server.alerts).toEqual(['unexpected_message'])
    expect(server.heard).not.toContain(clientKeyExchange)
  })

  it('refuses a server without extended master secret (RFC 7627 section 5.3)', () => {
    const session = take()
    const server = meet({ session })
    const hello = Buffer.from(server.helloOf({ sessionId: session.sessionId }))
    // Number 24 is token_binding: an extension in its place that was not offered, and so none that is known.
    hello[hello.lastIndexOf(Buffer.from([0, 23, 0, 0])) + 1] = 24
    server.serverHello(hello)
    expect(server.connected).toBe(false)
    expect(['unsupported_extension', 'handshake_failure']).toContain(server.alerts[0])
  })

  it('sends its last flight again to a server that repeats its own', () => {
    const session = take()
    const server = meet({ session })
    resume(server, session)
    const sent = (): number => server.outputs.filter(({ kind }) => kind === 'send').length
    const before = sent()
    server.now = instant(5000)
    server.nextMessageSequence -= 1
    const serverFinished = server.transcript.messages.find(
      ({ type, messageSequence }) => type === finished && messageSequence === server.nextMessageSequence,
    )
    server.message(finished, serverFinished?.body ?? new Uint8Array(0))
    expect(sent()).toBe(before + 1)
  })

  it('takes a newer ticket for the next time, for a session as old as before', () => {
    const session = take()
    const server = meet({ session })
    const newer = randomBytes(100)
    server.now = instant(50_000)
    server.serverHello(server.helloOf({ sessionId: session.sessionId, sessionTicket: true }))
    server.newSessionTicket(newer).useSession(session.masterSecret).changeCipherSpec().finished()
    expect(resumed(server)).toBe(true)
    expect(sessionOf(server)).toMatchObject({ ticket: new Uint8Array(newer), expiresAt: session.expiresAt })
    expect(sessionOf(server)?.sessionId).not.toEqual(session.sessionId)
  })
})

describe('a client that offers no session', () => {
  it('is not connected by a server that goes on with one all the same', () => {
    const server = meet()
    server.serverHello(server.helloOf({ sessionId: randomBytes(32) })).useSession(randomBytes(48))
    server.changeCipherSpec().finished()
    expect(server.connected).toBe(false)
    expect(server.heard).toEqual([clientHello])
    server.advance(seconds(61))
    expect(server.failure?.code).toBe('handshake-timed-out')
  })
})
