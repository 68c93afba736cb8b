/**
 * What a handshake has, whichever side it is on: its records, its messages coming in and going out, its flight, its time.
 *
 * The two state machines (`server-handshake.ts`, `client-handshake.ts`) decide what a message means; this decides which
 * bytes may reach them: whole, in order, and from the right epoch. `endpoint.ts` drives both.
 */

import type { Instant } from '@sallyport/clock'
import type { CipherSuite } from './cipher-suite.ts'
import type { ClientSession } from './client-session.ts'
import { type ConnectionIds, noConnectionIds } from './connection-id.ts'
import type { Flight, FlightPart } from './flight.ts'
import type { HandshakeMessage, HandshakeType } from './handshake-message.ts'
import type { Answer, AssociationHandle, PeerAddress, Question, QuestionHandle } from './output.ts'
import { createReassembly, type Reassembly } from './reassembly.ts'
import type { RecordView } from './record.ts'
import type { RecordLayer } from './record-layer.ts'
import { append, createTranscript, type Transcript } from './transcript.ts'

export interface HandshakeLayer {
  readonly association: AssociationHandle
  readonly peer: PeerAddress
  readonly records: RecordLayer
  /** For the keys to come; both empty until the two hellos have agreed on them. */
  connectionIds: ConnectionIds
  transcript: Transcript
  readonly reassembly: Reassembly
  /** Of our next message. */
  nextMessageSequence: number
  /** The newest flight of ours, while the peer may still need it again. */
  flight: Flight | undefined
  /** The question that must be answered before anything else is handled. */
  question: QuestionHandle | undefined
  /** Number of the newest change_cipher_spec record in epoch 0; -1 before one. */
  changeCipherSpecRecord: number
  /** Number of the record that completed the message handled last. */
  lastMessageRecord: number
  /** Protected records that came before their keys, in buffers of their own. */
  readonly early: RecordView[]
  /** Application data that overtook the Finished before it: authentic, and told of once that has come. */
  readonly earlyData: EarlyData[]
  expiresAt: Instant
}

export interface EarlyData {
  readonly plaintext: Uint8Array
  readonly recordSequence: number
}

/** Bounds of `early` and of `earlyData`: the Finished, a retransmission of it, and what a hasty peer sends after it. */
export const maxEarlyRecords = 8
export const maxEarlyBytes = 2048

export interface HandshakeLayerStart {
  readonly association: AssociationHandle
  readonly peer: PeerAddress
  readonly records: RecordLayer
  readonly nextMessageSequence: number
  readonly nextPeerMessageSequence: number
  readonly expiresAt: Instant
}

export const createHandshakeLayer = (start: HandshakeLayerStart): HandshakeLayer => ({
  association: start.association,
  peer: start.peer,
  records: start.records,
  connectionIds: noConnectionIds,
  transcript: createTranscript(),
  reassembly: createReassembly(start.nextPeerMessageSequence),
  nextMessageSequence: start.nextMessageSequence,
  flight: undefined,
  question: undefined,
  changeCipherSpecRecord: -1,
  lastMessageRecord: -1,
  early: [],
  earlyData: [],
  expiresAt: start.expiresAt,
})

/** Numbers a message of ours and enters it into the transcript. */
export function compose(layer: HandshakeLayer, type: HandshakeType, body: Uint8Array): FlightPart {
  const message: HandshakeMessage = { type, messageSequence: layer.nextMessageSequence, body }
  layer.nextMessageSequence += 1
  append(layer.transcript, message)
  return { kind: 'message', message }
}

/** A server's part in RFC 9146 section 3: a CID each way, where the client has asked for it. */
export function agreeOnConnectionIds(
  layer: HandshakeLayer,
  { clientConnectionId: write, clientChecksPaths: checksPaths }: OfferedConnectionId,
  random: Uint8Array,
  context: HandshakeContext,
): void {
  const read = write === undefined ? undefined : context.claimConnectionId(layer, random)
  // Should the name be taken, we agree to no CIDs: the client then goes on without.
  if (write !== undefined && read !== undefined) layer.connectionIds = { write, read, checksPaths }
}

interface OfferedConnectionId {
  readonly clientConnectionId: Uint8Array | undefined
  readonly clientChecksPaths: boolean
}

/** What a finished handshake hands to the connection. */
export interface Completion {
  readonly suite: CipherSuite
  readonly clientRandom: Uint8Array
  /** The peer's Finished: seen again, it asks for our last flight again. */
  readonly peerFinished: HandshakeMessage
  /** Kept by the side that spoke last. */
  readonly lastFlight: Flight | undefined
  /** An abbreviated handshake, with the keys of a session. Default false. */
  readonly resumed?: boolean
  /** Under which we keep the session, so that a fatal alert makes it useless. */
  readonly sessionId?: Uint8Array | undefined
  /** Of a client: with what it may come back. */
  readonly session?: ClientSession | undefined
}

/** What a state machine may do to the world. */
export interface HandshakeContext {
  /** Of the input that is being handled. */
  readonly now: Instant
  ask(layer: HandshakeLayer, question: Question): void
  /** Sends a flight and keeps it for retransmission; write keys change after its change_cipher_spec. */
  sendFlight(layer: HandshakeLayer, parts: readonly FlightPart[]): void
  complete(layer: HandshakeLayer, completion: Completion): void
  /** A CID for the peer to write, by which the association is found from now on; undefined when it is another's. */
  claimConnectionId(layer: HandshakeLayer, random: Uint8Array): Uint8Array | undefined
  /** Kept from everyone, unless a test asked for it. */
  logKeys(clientRandom: Uint8Array, masterSecret: Uint8Array): void
}

/**
 * One side's state machine. Faults of the peer are thrown as HandshakeFault or `malformed-bytes` and end the handshake.
 */
export interface Handshake {
  readonly layer: HandshakeLayer
  /** The peer's chain, as far as it has come; unverified. */
  readonly unverifiedChain: readonly Uint8Array[] | undefined
  /** What the peer named itself with, where it is to prove a pre-shared key; unverified. */
  readonly unverifiedPskIdentity?: Uint8Array | undefined
  /** What the machine can go on with. While a question is open, nothing is handed to it but the answer. */
  readonly expects: 'message' | 'change-cipher-spec' | 'answer'
  /** Whether a repeated message of the peer's flight says that it lacks our newest one. */
  readonly answersRepetition: boolean
  /**
   * Whether the peer's last message is its Finished, after which it may speak at once: what overtakes it is kept, and told
   * of when that has come. Absent: no, it is too early.
   */
  readonly isSpokenToLast?: boolean
  receiveMessage(message: HandshakeMessage, context: HandshakeContext): void
  receiveChangeCipherSpec(context: HandshakeContext): void
  /** A record that our keys do not open and that is nobody else's. Absent: it is noise. */
  receiveForgery?(): void
  receiveAnswer(answer: Answer, context: HandshakeContext): void
}
