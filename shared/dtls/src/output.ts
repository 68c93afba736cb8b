/**
 * What the machines ask of the world: one closed union of outputs, drained after each input, and the answers to those
 * that are questions.
 *
 * Randomness, key generation, our signatures, time and the judgement of a chain all come from outside, so that a run
 * can be replayed and costly work can leave the loop. Answering late, or never, is safe: a handshake that waits expires.
 */

import type { KeyObject } from 'node:crypto'
import type { Instant } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import type { AlertName } from './alert.ts'
import type { CipherSuiteName } from './cipher-suite.ts'
import type { ClientSession } from './client-session.ts'
import type { NamedGroupName } from './named-group.ts'
import type { SignatureSchemeName } from './signature-scheme.ts'

export interface PeerAddress {
  readonly address: string
  readonly port: number
}

/** Names an association, or the handshake that will become one, within its machine; never used again. */
export type AssociationHandle = number

/** Names a question until it is answered. */
export type QuestionHandle = number

export type CloseReason =
  /** The peer said good-bye. */
  | 'close-notify'
  /** The peer sent a fatal alert. */
  | 'fatal-alert'
  /** We closed it. */
  | 'local'
  /** The same address completed a new handshake. */
  | 'replaced'
  /** Nothing authentic came for too long. */
  | 'idle'
  /** Not heard of for long, it gave way to a newcomer. */
  | 'evicted'
  /** The endpoint stops. */
  | 'shutdown'
  /** No record number is left to send with. */
  | 'sequence-exhausted'
  /** Too many records failed authentication under one key. */
  | 'forgery-limit'

/** Why a PSK identity has no key with which it may come in: for log and metric, never for the peer. */
export interface PskRefusal {
  readonly code: ErrorCode
  readonly detail: string
}

export interface KeyShare {
  readonly publicKey: Uint8Array
  /** Kept for `agree` and not looked at. */
  readonly privateKey: KeyObject
}

/** A question to the outside. `association` names the handshake it belongs to. */
export type Question =
  /** Fresh: never used for two handshakes. `random` is 32 bytes more for a hello, `connectionId` 7 to name it by. */
  | { readonly kind: 'makeKeyShare'; readonly group: NamedGroupName }
  /** As `makeKeyShare`, where the key exchange has no share of ours. */
  | { readonly kind: 'makeRandom' }
  /** Which key does this identity have? Nothing is proven of it; 1 to 128 bytes, of any kind. */
  | { readonly kind: 'findPsk'; readonly identity: Uint8Array; readonly peer: PeerAddress }
  /** ECDH. A point that is not on the curve, or a result of all zeros, is `undefined`. */
  | {
      readonly kind: 'agree'
      readonly group: NamedGroupName
      readonly privateKey: KeyObject
      readonly peerPublicKey: Uint8Array
    }
  /** With the key of our certificate; DER as ECDSA signatures travel. */
  | { readonly kind: 'sign'; readonly scheme: SignatureSchemeName; readonly content: Uint8Array }
  /** With the key in `certificate`, which is the peer's and not trusted. */
  | {
      readonly kind: 'verifySignature'
      readonly scheme: SignatureSchemeName
      readonly certificate: Uint8Array
      readonly content: Uint8Array
      readonly signature: Uint8Array
    }
  /** Who holds this chain, and may it come in? The peer has proven that it holds the leaf's key. */
  | { readonly kind: 'verifyPeer'; readonly chain: readonly Uint8Array[]; readonly peer: PeerAddress }
  /**
   * May a peer that was accepted before come in again? `resumable` is what was given for it then. Whoever asks has not yet
   * proven that it holds the session's keys. Refused: the full handshake follows.
   */
  | { readonly kind: 'resumePeer'; readonly resumable: Uint8Array; readonly peer: PeerAddress }

export type SignatureVerdict = 'valid' | 'invalid' | 'certificate-malformed' | 'key-unsupported'

export type PeerDecision =
  | {
      readonly accepted: true
      /**
       * Of a server: what `resumePeer` is to be asked with when the peer comes back with this session, at most 256 bytes.
       * Absent: it will have to prove itself anew. Without meaning where the session goes on: what was given stays.
       */
      readonly resumable?: Uint8Array | undefined
    }
  | { readonly accepted: false; readonly alert: AlertName; readonly code: ErrorCode; readonly detail: string }

export type Answer =
  | {
      readonly kind: 'makeKeyShare'
      readonly keyShare: KeyShare
      readonly random: Uint8Array
      readonly connectionId: Uint8Array
    }
  | { readonly kind: 'makeRandom'; readonly random: Uint8Array; readonly connectionId: Uint8Array }
  /**
   * With `refusal`, `key` is random and nobody's: the handshake goes on with it, does all the work of one with a good key,
   * and ends as if the peer had a wrong one.
   */
  | { readonly kind: 'findPsk'; readonly key: Uint8Array; readonly refusal: PskRefusal | undefined }
  | { readonly kind: 'agree'; readonly sharedSecret: Uint8Array | undefined }
  | { readonly kind: 'sign'; readonly signature: Uint8Array }
  | { readonly kind: 'verifySignature'; readonly verdict: SignatureVerdict }
  | { readonly kind: 'verifyPeer'; readonly decision: PeerDecision }
  /** `random` and `connectionId` as of `makeKeyShare`. */
  | {
      readonly kind: 'resumePeer'
      readonly accepted: boolean
      readonly random: Uint8Array
      readonly connectionId: Uint8Array
    }
  /** Our side failed to answer: the handshake ends with internal_error. */
  | { readonly kind: 'failed'; readonly detail: string }

export type DiscardReason =
  | 'not-a-record'
  | 'unknown-association'
  | 'unexpected-epoch'
  | 'unexpected-content'
  | 'unexpected-connection-id'
  | 'no-content'
  | 'replayed'
  | 'not-authentic'
  | 'record-overflow'
  | 'plaintext-in-association'
  | 'fragment-malformed'
  | 'fragment-refused'
  | 'hello-malformed'
  | 'hello-fragmented'
  | 'hello-fragment-limit'
  | 'hello-repeated'
  | 'handshake-rate-limit'
  | 'newcomers-held-back'
  | 'half-open-limit'
  | 'association-limit'
  | 'early-record-limit'
  | 'early-change-cipher-spec'
  | 'alert-ignored'

export type Output =
  | { readonly kind: 'send'; readonly peer: PeerAddress; readonly datagram: Uint8Array }
  /** Call `handleTimeout` once at `at`; replaces a former request. Undefined: there is nothing to wait for. */
  | { readonly kind: 'setTimeout'; readonly at: Instant | undefined }
  | {
      readonly kind: 'ask'
      readonly association: AssociationHandle
      readonly handle: QuestionHandle
      readonly question: Question
    }
  | { readonly kind: 'makeCookieSecret' }
  | {
      readonly kind: 'connected'
      readonly association: AssociationHandle
      readonly peer: PeerAddress
      readonly cipherSuite: CipherSuiteName
      /** That we read in the peer's records; empty: none. */
      readonly connectionId: Uint8Array
      /** Longest plaintext of one record, either way. */
      readonly maxMessageBytes: number
      /** With the keys of a former session, by an abbreviated handshake. */
      readonly resumed: boolean
      /** Of a client that asked for sessions: with what it may come back. A secret. */
      readonly session: ClientSession | undefined
    }
  /** The peer now has another address, from which its newest authentic record came: what we send goes there. */
  | { readonly kind: 'moved'; readonly association: AssociationHandle; readonly peer: PeerAddress }
  /** Plaintext of one record, in a buffer of its own, and the peer's number of the record: no other has it. */
  | {
      readonly kind: 'data'
      readonly association: AssociationHandle
      readonly plaintext: Uint8Array
      readonly recordSequence: number
    }
  | { readonly kind: 'closed'; readonly association: AssociationHandle; readonly reason: CloseReason }
  | {
      readonly kind: 'handshakeFailed'
      readonly association: AssociationHandle
      readonly peer: PeerAddress
      readonly code: ErrorCode
      readonly alert: AlertName | undefined
      readonly direction: 'sent' | 'received' | 'none'
      readonly detail: string
      readonly chain: readonly Uint8Array[] | undefined
      /** What the peer named itself with in a handshake with a pre-shared key; unverified. */
      readonly pskIdentity?: Uint8Array | undefined
    }
  | { readonly kind: 'discarded'; readonly reason: DiscardReason }
  /** Only where `dangerouslyLogKeys` is set: one line of a key log, which opens every record of the association. */
  | { readonly kind: 'keyLog'; readonly line: string }
