/**
 * An association after its handshake: what is kept, and what a record of it means.
 *
 * A peer's wish to renegotiate is refused with a warning (RFC 7925 section 17); a repeated message of its last flight says that
 * ours was lost, and gets it again (RFC 6347 section 4.2.4). Finished says so under its keys; what comes before it is in the
 * clear, may be anybody's, and is answered a few times alone.
 */

import type { Instant } from '@sallyport/clock'
import { decodeAlert } from './alert.ts'
import type { CipherSuiteName } from './cipher-suite.ts'
import type { Flight } from './flight.ts'
import { handshakeTypes, readHandshakeFragment } from './handshake-message.ts'
import type { AssociationHandle, PeerAddress } from './output.ts'
import { type PathCheck, readPathMessage } from './path-check.ts'
import { contentTypes } from './record.ts'
import type { RecordLayer } from './record-layer.ts'

export interface Connection {
  readonly association: AssociationHandle
  /** Where the newest authentic record came from, as far as its CID lets the peer move. */
  peer: PeerAddress
  readonly cipherSuite: CipherSuiteName
  readonly records: RecordLayer
  /** Of the handshake that made it: tells a copy of its ClientHello from a new one. */
  readonly clientRandom: Uint8Array
  readonly peerFinished: { readonly messageSequence: number; readonly verifyData: Uint8Array }
  /** Until the peer has shown that it got it. */
  lastFlight: Flight | undefined
  lastHeardAt: Instant
  /** Both sides answer return routability checks. */
  readonly checksPaths: boolean
  /** Of an address from which the newest record came, and which is not proven. */
  pathCheck: PathCheck | undefined
  refusedRenegotiations: number
  /** Times that our last flight was sent again for a message in the clear. */
  answersInTheClear: number
  /** Of the session in our cache, if it is there. */
  readonly sessionId?: Uint8Array | undefined
}

/** What an authentic record asks for. */
export type RecordMeaning =
  | { readonly kind: 'data'; readonly plaintext: Uint8Array }
  | { readonly kind: 'close-notify' }
  | { readonly kind: 'fatal-alert' }
  | { readonly kind: 'repeat-last-flight' }
  | { readonly kind: 'refuse-renegotiation' }
  | { readonly kind: 'path-challenge' | 'path-response'; readonly cookie: Uint8Array }
  | { readonly kind: 'nothing' }

/** A peer that keeps asking to renegotiate is no longer answered. */
const maxRefusals = 8

export function readMeaning(connection: Connection, type: number, plaintext: Uint8Array): RecordMeaning {
  switch (type) {
    case contentTypes.applicationData:
      return { kind: 'data', plaintext }
    case contentTypes.alert: {
      const alert = decodeAlert(plaintext)
      if (alert?.name === 'close_notify') return { kind: 'close-notify' }
      return alert?.level === 'fatal' ? { kind: 'fatal-alert' } : { kind: 'nothing' }
    }
    case contentTypes.handshake:
      return readHandshakeMeaning(connection, plaintext)
    case contentTypes.returnRoutabilityCheck:
      return (connection.checksPaths ? readPathMessage(plaintext) : undefined) ?? { kind: 'nothing' }
    default:
      return { kind: 'nothing' }
  }
}

/** A peer whose path loses every other datagram needs this many; whoever writes in its name draws no more at it. */
const maxAnswersInTheClear = 6

const beforeFinished: ReadonlySet<number> = new Set([
  handshakeTypes.certificate,
  handshakeTypes.clientKeyExchange,
  handshakeTypes.certificateVerify,
])
/** With a cookie, which ours always have, the client's hellos are 0 and 1. */
const firstOfLastFlight = 2

/** Whether a handshake record in the clear asks for our last flight again. */
export function asksInTheClear(connection: Connection, record: Uint8Array): boolean {
  if (connection.lastFlight === undefined || connection.answersInTheClear >= maxAnswersInTheClear) return false
  const fragment = readHandshakeFragment(record, 0)
  return (
    fragment !== undefined &&
    beforeFinished.has(fragment.type) &&
    fragment.messageSequence >= firstOfLastFlight &&
    fragment.messageSequence < connection.peerFinished.messageSequence
  )
}

function readHandshakeMeaning(connection: Connection, plaintext: Uint8Array): RecordMeaning {
  const fragment = readHandshakeFragment(plaintext, 0)
  if (fragment === undefined) return { kind: 'nothing' }
  const { peerFinished } = connection
  if (fragment.type === handshakeTypes.finished) {
    const repeats =
      fragment.messageSequence === peerFinished.messageSequence &&
      fragment.length === fragment.bytes.length &&
      Buffer.compare(fragment.bytes, peerFinished.verifyData) === 0
    return { kind: repeats && connection.lastFlight !== undefined ? 'repeat-last-flight' : 'nothing' }
  }
  const asksToRenegotiate =
    fragment.type === handshakeTypes.clientHello || fragment.type === handshakeTypes.helloRequest
  if (!asksToRenegotiate || connection.refusedRenegotiations >= maxRefusals) return { kind: 'nothing' }
  connection.refusedRenegotiations += 1
  return { kind: 'refuse-renegotiation' }
}
