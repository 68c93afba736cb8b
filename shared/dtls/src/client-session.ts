/**
 * A session as our client keeps it: plain data, and a secret, for whoever has it reads and speaks in the client's name.
 */

import { createHash } from 'node:crypto'
import type { Instant } from '@sallyport/clock'
import type { CipherSuiteName } from './cipher-suite.ts'

export interface ClientSession {
  readonly cipherSuite: CipherSuiteName
  readonly masterSecret: Uint8Array
  /** DER, leaf first: how the server proved itself in the full handshake. It is judged again each time. */
  readonly chain: readonly Uint8Array[]
  /** What our hello names it by, never empty. */
  readonly sessionId: Uint8Array
  /** Empty: the server knows the session by its id alone. */
  readonly ticket: Uint8Array
  /** Not offered from then on. */
  readonly expiresAt: Instant
}

/**
 * A session id for a ticket, which has none: a server that takes the ticket repeats it, and so tells us (RFC 5077
 * section 3.4).
 */
export const sessionIdOfTicket = (ticket: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha256').update(ticket).digest())
