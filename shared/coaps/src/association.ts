/**
 * What CoAP sees of DTLS and TLS: an association with a proven peer, and the words that its makers and users share.
 *
 * Nothing here knows a datagram or a stream. `dtls-listener.ts` and `tls-listener.ts` make associations for a server,
 * `dtls-connection.ts` and `tls-connection.ts` for a client.
 */

import type { KeyObject } from 'node:crypto'
import type { Instant } from '@sallyport/clock'
import type { AlertName, CloseReason } from '@sallyport/dtls'
import type { ErrorCode } from '@sallyport/errors'

export interface RemoteAddress {
  readonly address: string
  readonly port: number
}

export interface PeerVerdictAccepted<Identity> {
  readonly accepted: true
  readonly identity: Identity
  /**
   * With what `resumePeer` is asked when the peer comes back with this session: at most 256 bytes, which are sealed into
   * its ticket. Absent: each handshake is a full one.
   */
  readonly resumable?: Uint8Array | undefined
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

/**
 * Decides whether a peer that `verifyPeer` has accepted may come in again with its old session: what could have been
 * withdrawn since must be looked up again. Whoever asks has proven nothing yet, since a ticket travels in the clear; it gets
 * in only once it has proven that it holds the session's keys. Refused, or when it throws: the full handshake follows, and
 * `verifyPeer` tells the peer why not.
 *
 * @param resumable what `verifyPeer` gave for it
 */
export type ResumePeer<Identity> = (
  resumable: Uint8Array,
  peer: RemoteAddress,
) => Promise<PeerVerdict<Identity>> | PeerVerdict<Identity>

export interface DtlsCredentials {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** The key of the leaf, P-256 or P-384. */
  readonly privateKey: KeyObject
}

/** What carries the records: datagrams (RFC 6347), or a reliable stream (RFC 8323). */
export type Transport = 'dtls' | 'tls'

export type AssociationCloseReason =
  | CloseReason
  /** The stream broke off without a good-bye. */
  | 'connection-lost'
  /** More waits to be sent than may: the peer does not read. */
  | 'not-reading'

export interface Association<Identity> {
  /** 16 random hexadecimal digits, unique; what the log calls `association`. */
  readonly id: string
  readonly identity: Identity
  /** Where the peer is now: with a CID it may move. */
  readonly remote: RemoteAddress
  readonly transport: Transport
  /** IANA's name. */
  readonly cipherSuite: string
  /** In the records that the peer sends us (RFC 9146), hexadecimal; undefined: none. */
  readonly connectionId?: string | undefined
  /**
   * Longest plaintext of one record, either way, as the two sides have agreed (RFC 6066 section 4, RFC 8449): 63 to
   * 16 384 bytes. Undefined where messages do not depend on records.
   */
  readonly maxMessageBytes?: number | undefined
  /** By an abbreviated handshake, with the keys of a former session. Absent: no. */
  readonly resumed?: boolean
  readonly openedAt: Instant
  readonly closed: boolean
  /**
   * Sends one record, or over TLS bytes of the stream; dropped in silence when the association is closed.
   *
   * @throws CodedError `message-too-long` past `maxMessageBytes`
   */
  send(plaintext: Uint8Array): void
  /** Sends close_notify and ends it. */
  close(): void
}

export interface HandshakeFailure {
  readonly remote: RemoteAddress
  readonly transport: Transport
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
   * @param plaintext of one record, or bytes of the stream as they come; the view is valid only during the call
   * @param recordSequence the peer's number of the record; over TLS records have none that we see
   */
  data(association: Association<Identity>, plaintext: Uint8Array, recordSequence?: number): void
  /** The peer has another address. */
  moved?(association: Association<Identity>): void
  closed?(association: Association<Identity>, reason: AssociationCloseReason): void
  handshakeFailed?(failure: HandshakeFailure): void
  /** Noise: to be counted, never logged for each datagram. */
  discarded?(reason: string): void
}
