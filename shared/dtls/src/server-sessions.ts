/**
 * The sessions that a server lets go on: in tickets that clients keep (RFC 5077), and in a cache for those that know no
 * tickets. Which peer a session may let in again is never decided here: that is asked each time (`resumePeer`).
 *
 * A ticket that does not open, is too old, or names another suite is as none: the full handshake follows, never an alert
 * (RFC 5077 section 3.4). A ticket cannot be taken back; an entry of the cache can, and is, after a fatal alert (RFC 5246
 * section 7.2.2).
 */

import { createHash } from 'node:crypto'
import { between, type Duration, type Instant, later, seconds } from '@sallyport/clock'
import type { CipherSuiteName } from './cipher-suite.ts'
import type { ClientHello } from './client-hello.ts'
import { HandshakeFault } from './handshake-fault.ts'
import type { NewSessionTicket } from './new-session-ticket.ts'
import { isSealedByCurrent, openState, type SealingKeys, sealingNonceLength, sealState } from './sealing.ts'
import { decodeSession, encodeSession, type Session } from './session.ts'
import { SessionCache } from './session-cache.ts'

export interface ServerSessionLimits {
  /** From the full handshake on. */
  readonly lifetime: Duration
  /** Sessions in the cache; 0: none. */
  readonly maxCached: number
}

/** What a hello asks to go on with. */
export interface FoundSession {
  readonly session: Session
  /** What our hello repeats, so that the client knows (RFC 5077 section 3.4). */
  readonly sessionId: Uint8Array
  readonly from: 'ticket' | 'cache'
  /** The ticket was sealed under a key that will soon be gone. */
  readonly wantsNewTicket: boolean
}

export class ServerSessions {
  readonly #limits: ServerSessionLimits
  readonly #cache: SessionCache
  #keys: SealingKeys | undefined

  constructor(limits: ServerSessionLimits, keys: SealingKeys | undefined) {
    this.#limits = limits
    this.#cache = new SessionCache(limits.maxCached)
    this.#keys = keys
  }

  /** Tickets of a key that is in neither place are worth nothing from now on. */
  setKeys(keys: SealingKeys | undefined): void {
    this.#keys = keys
  }

  get givesTickets(): boolean {
    return this.#keys !== undefined
  }

  get givesSessionIds(): boolean {
    return this.#limits.maxCached > 0
  }

  get cached(): number {
    return this.#cache.size
  }

  /**
   * Undefined: a full handshake. The cache is only for clients that do not know tickets.
   *
   * @param suites that we speak now: a session of one that was taken out does not bring it back
   *
   * @throws HandshakeFault for a hello without extended master secret: RFC 7627 section 5.3 wants an end, not a fallback
   */
  find(hello: ClientHello, suites: readonly CipherSuiteName[], now: Instant): FoundSession | undefined {
    const found = hello.sessionTicket === undefined ? this.#findCached(hello) : this.#open(hello, hello.sessionTicket)
    if (found === undefined) return undefined
    const { session, from, sessionId } = found
    if (this.#remainingLifetime(session, now) === 0) {
      if (from === 'cache') this.#cache.forget(sessionId)
      return undefined
    }
    if (!hello.extendedMasterSecret) {
      throw new HandshakeFault(
        'extended-master-secret-missing',
        'the session had extended_master_secret, the hello not',
      )
    }
    const { name, number } = session.suite
    return suites.includes(name) && hello.cipherSuites.includes(number) ? found : undefined
  }

  /**
   * The message for the client; an empty ticket when there are no keys any more.
   *
   * @param serverRandom of the hello that promised the ticket: 32 bytes never used before, part of which is the nonce
   */
  ticketFor(session: Session | undefined, serverRandom: Uint8Array, now: Instant): NewSessionTicket {
    if (session === undefined || this.#keys === undefined) return { lifetime: seconds(0), ticket: new Uint8Array(0) }
    const nonce = serverRandom.subarray(0, sealingNonceLength)
    const ticket = sealState(this.#keys, 'session-ticket', encodeSession(session), nonce)
    return { lifetime: this.#remainingLifetime(session, now), ticket }
  }

  remember(sessionId: Uint8Array, session: Session): void {
    this.#cache.remember(sessionId, session)
  }

  forget(sessionId: Uint8Array): void {
    this.#cache.forget(sessionId)
  }

  #open({ sessionId }: ClientHello, ticket: Uint8Array): FoundSession | undefined {
    if (this.#keys === undefined || ticket.length === 0) return undefined
    const opened = openState(this.#keys, 'session-ticket', ticket)
    const session = opened === undefined ? undefined : decodeSession(opened)
    if (session === undefined) return undefined
    const wantsNewTicket = !isSealedByCurrent(this.#keys, ticket)
    return { session, sessionId: sessionId.slice(), from: 'ticket', wantsNewTicket }
  }

  #findCached({ sessionId }: ClientHello): FoundSession | undefined {
    const session = sessionId.length === 0 ? undefined : this.#cache.find(sessionId)
    return session && { session, sessionId: sessionId.slice(), from: 'cache', wantsNewTicket: false }
  }

  #remainingLifetime({ establishedAt }: Session, now: Instant): Duration {
    return between(now, later(establishedAt, this.#limits.lifetime))
  }
}

/** The server's random is 32 bytes never used before: what is made of it alone names the session, and tells nothing new. */
export const sessionIdFrom = (serverRandom: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha256').update('session id').update(serverRandom).digest())
