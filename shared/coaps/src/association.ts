/**
 * What CoAP sees of DTLS: an association with a proven peer, and the words that its makers and users share.
 *
 * Nothing here knows a datagram. `dtls-listener.ts` makes associations for a server, `dtls-connection.ts` for a client.
 */

import type { KeyObject } from 'node:crypto'
import type { Instant } from '@sallyport/clock'
import type { AlertName, CipherSuiteName, CloseReason } from '@sallyport/dtls'
import type { ErrorCode } from '@sallyport/errors'

export interface RemoteAddress {
  readonly address: string
  readonly port: number
}

export interface PeerVerdictAccepted<Identity> {
  readonly accepted: true
  readonly identity: Identity
}

export interface PeerVerdictRefused {
  readonly accepted: false
  /** What the peer is told. */
  readonly alert: AlertName
  /** What log, metric and record are told. */
  readonly code: ErrorCode
  readonly detail: string
}

export type PeerVerdict<Identity> = PeerVerdictAccepted<Identity> | PeerVerdictRefused

/**
 * Decides who a peer is. Asked once the peer has proven that it holds the key of the first certificate; nothing else
 * about the chain has been checked. May take its time; must not throw for faults of the peer (a throw is `internal`).
 *
 * @param chain DER, leaf first, never empty
 */
export type VerifyPeer<Identity> = (
  chain: readonly Uint8Array[],
  peer: RemoteAddress,
) => Promise<PeerVerdict<Identity>> | PeerVerdict<Identity>

export interface DtlsCredentials {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** The key of the leaf, P-256 or P-384. */
  readonly privateKey: KeyObject
}

export type AssociationCloseReason = CloseReason

export interface Association<Identity> {
  /** 16 random hexadecimal digits, unique; what the log calls `association`. */
  readonly id: string
  readonly identity: Identity
  /** Where the peer is now: with a CID it may move. */
  readonly remote: RemoteAddress
  readonly cipherSuite: CipherSuiteName
  /** In the records that the peer sends us (RFC 9146), hexadecimal; undefined: none. */
  readonly connectionId?: string | undefined
  readonly openedAt: Instant
  readonly closed: boolean
  /** Sends one record; dropped in silence when the association is closed. */
  send(plaintext: Uint8Array): void
  /** Sends close_notify and ends it. */
  close(): void
}

export interface HandshakeFailure {
  readonly remote: RemoteAddress
  readonly code: ErrorCode
  /** Absent when the handshake ended without an alert, as by a time-out. */
  readonly alert?: AlertName
  readonly direction: 'sent' | 'received' | 'none'
  readonly detail: string
  /** What the peer presented, where it came so far; unverified. */
  readonly chain?: readonly Uint8Array[]
  /** What the peer named itself with in place of a chain: any bytes, unverified. */
  readonly pskIdentity?: Uint8Array
}

export interface DtlsEvents<Identity> {
  opened?(association: Association<Identity>): void
  /**
   * @param plaintext of one record; the view is valid only during the call
   * @param recordSequence the peer's number of the record
   */
  data(association: Association<Identity>, plaintext: Uint8Array, recordSequence: number): void
  /** The peer has another address. */
  moved?(association: Association<Identity>): void
  closed?(association: Association<Identity>, reason: AssociationCloseReason): void
  handshakeFailed?(failure: HandshakeFailure): void
  /** Noise: to be counted, never logged for each datagram. */
  discarded?(reason: string): void
}
