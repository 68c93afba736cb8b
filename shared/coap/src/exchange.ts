/** What the endpoint tells and is told: requests, responses, observations, and the outputs to drain. */

import type { Duration, Instant } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import type { Block } from './block-option.ts'
import type { CoapAssociation } from './coap-association.ts'
import type { CoapMethod, ResponseCode } from './code-registry.ts'
import type { Conditions } from './conditions.ts'
import type { NotificationPosition } from './observe-freshness.ts'
import type { RecentExchange } from './recent-exchanges.ts'
import type { RouteMatch } from './resource-router.ts'

/** What the endpoint must know of a resource before it takes the bytes of a request. */
export interface ResourceTraits {
  readonly methods: ReadonlySet<CoapMethod>
  readonly maxRequestBytes: number
  readonly observable: boolean
  /**
   * `whole`: a body that comes in blocks is assembled within `maxRequestBytes`. `blocks`: each block is a request output
   * of its own, with its `part`; the endpoint keeps the offset and no bytes.
   */
  readonly receives: 'whole' | 'blocks'
  /** Whoever answers keeps If-Match and If-None-Match. Otherwise such a request gets 4.02: no condition is overlooked. */
  readonly conditional: boolean
  /** How old a request that changes something may be (RFC 9175 section 2); undefined: as old as it likes. */
  readonly freshWithin?: Duration | undefined
}

export interface ResourceLookup<Resource extends ResourceTraits> {
  find(segments: readonly string[]): RouteMatch<Resource> | undefined
}

/** Which bytes of a body a message carries. */
export interface BodyPart {
  readonly offset: number
  readonly more: boolean
  /** Of the whole body, where the peer said it. Unverified. */
  readonly totalBytes: number | undefined
}

/** A request of the peer that waits for its answer. */
export interface IncomingRequest<Peer, Resource extends ResourceTraits> {
  readonly kind: 'incoming-request'
  readonly association: CoapAssociation<Peer, Resource>
  readonly method: CoapMethod
  readonly resource: Resource
  readonly parameters: Readonly<Record<string, string>>
  readonly path: string
  readonly query: readonly string[]
  readonly contentFormat: number | undefined
  readonly accept: number | undefined
  /** Not checked yet; only for a resource that keeps conditions. */
  readonly conditions: Conditions | undefined
  readonly payload: Uint8Array
  /** Only for a resource that receives blocks. */
  readonly part: BodyPart | undefined
  /** The bytes of the response that the peer asks for; a resource that streams answers with just these. */
  readonly range: { readonly offset: number; readonly length: number }
  /** Of the record that completed it; undefined where the transport numbers none. */
  readonly recordSequence: number | undefined
  /** A registration that comes into being when the response is a success. */
  observation: Observation<Peer, Resource> | undefined
  readonly wire: IncomingWire
}

/** The wire's side of a request; of no interest to whoever answers it. */
export interface IncomingWire {
  readonly confirmable: boolean
  readonly messageId: number
  readonly token: Uint8Array
  /** Undefined on a reliable transport, which has no duplicates. */
  readonly recent: RecentExchange | undefined
  readonly block1: Block | undefined
  readonly block2: Block | undefined
  readonly etags: readonly Uint8Array[]
  /** Equal for messages of one block-wise operation (RFC 9175 section 3.3). */
  readonly operation: string
  state: 'waiting' | 'acknowledged' | 'answered'
}

export interface OutgoingResponse {
  readonly code: ResponseCode
  readonly payload?: Uint8Array
  readonly contentFormat?: number
  /** 1 to 8 bytes; made from the payload where blocks need one. */
  readonly etag?: Uint8Array
  /** Seconds. */
  readonly maxAge?: number
  readonly locationPath?: readonly string[]
  readonly locationQuery?: readonly string[]
  /** The payload is the part of a longer body that `range` asked for. An `etag` should go with it. */
  readonly part?: { readonly more: boolean; readonly totalBytes?: number }
}

/** A registration of the peer at one of our resources (RFC 7641). */
export interface Observation<Peer, Resource extends ResourceTraits> {
  readonly kind: 'observation'
  readonly association: CoapAssociation<Peer, Resource>
  readonly request: IncomingRequest<Peer, Resource>
  readonly tokenKey: string
  state: 'registering' | 'active' | 'ended'
  sequence: number
  sinceConfirmable: number
  lastConfirmableAt: Instant
  lastAt: Instant
  lastMessageId: number
  /** The confirmable notification that is on its way. */
  inFlight: Confirmable<Peer, Resource> | undefined
  /** The newest state, to be sent when that has been acknowledged. Older ones are never sent. */
  next: OutgoingResponse | undefined
}

export type ObservationEnd =
  | 'deregistered'
  | 'replaced'
  | 'reset'
  | 'timed-out'
  | 'refused'
  | 'limit'
  | 'association-closed'
  | 'cancelled'

export interface RequestMessage {
  readonly method: CoapMethod
  readonly path: string
  readonly query?: readonly string[]
  readonly payload?: Uint8Array
  readonly contentFormat?: number
  readonly accept?: number
  /** ETags of at most 8 bytes. */
  readonly conditions?: Conditions
  readonly confirmable?: boolean
  readonly observe?: boolean
  /** Longest time without progress. */
  readonly timeout: Duration
  readonly maxResponseBytes: number
}

export interface ReceivedResponse {
  readonly code: ResponseCode
  readonly payload: Uint8Array
  readonly contentFormat: number | undefined
  readonly etag: Uint8Array | undefined
  /** Seconds, where the peer said it: how long the body is good, or with 4.29 and 5.03 when to come again. */
  readonly maxAge: number | undefined
  readonly observe: number | undefined
  /** Of the record that completed it; undefined where the transport numbers none. */
  readonly recordSequence: number | undefined
}

/** A request of ours. */
export interface OutgoingRequest<Peer, Resource extends ResourceTraits> {
  readonly kind: 'outgoing-request'
  readonly association: CoapAssociation<Peer, Resource>
  readonly message: RequestMessage
  token: Uint8Array
  tokenKey: string
  state: 'sending' | 'observing' | 'ended'
  confirmable: Confirmable<Peer, Resource> | undefined
  blockBytes: number
  /** Blocks go several at a time (RFC 8323 section 6): `blockBytes` is a multiple of 1024. */
  bert: boolean
  /** Tells its blocks from those of another request (RFC 9175 section 3). */
  requestTag: Uint8Array | undefined
  /** What the peer wants repeated, to see that the request is new (RFC 9175 section 2). */
  echo: Uint8Array | undefined
  /** The peer asked for that of the message that is due; it may ask once. */
  challenged: boolean
  /** Of the request's payload, acknowledged by 2.31. */
  sentBytes: number
  /** Of the response's body. */
  received: Uint8Array[]
  receivedBytes: number
  etag: Uint8Array | undefined
  restarts: number
  newest: NotificationPosition | undefined
  /** An observation whose registration has been sent again, and not answered yet. */
  renewing: boolean
  /** The observation for which this request fetches the rest of a notification. */
  readonly continues: OutgoingRequest<Peer, Resource> | undefined
  continuedBy: OutgoingRequest<Peer, Resource> | undefined
  /** The response has been given; what comes now are notifications. */
  answered: boolean
  /** Nobody waits for the outcome: a deregistration. */
  readonly silent: boolean
}

export interface Ping<Peer, Resource extends ResourceTraits> {
  readonly kind: 'ping'
  readonly association: CoapAssociation<Peer, Resource>
  state: 'waiting' | 'ended'
  confirmable: Confirmable<Peer, Resource> | undefined
}

/** A confirmable message of ours until it is acknowledged, reset or given up. */
export interface Confirmable<Peer, Resource extends ResourceTraits> {
  readonly kind: 'confirmable'
  readonly association: CoapAssociation<Peer, Resource>
  readonly messageId: number
  readonly message: Uint8Array
  readonly purpose:
    | OutgoingRequest<Peer, Resource>
    | Observation<Peer, Resource>
    | Ping<Peer, Resource>
    | { readonly kind: 'separate-response' }
  timeout: Duration
  transmissions: number
}

export type Output<Peer, Resource extends ResourceTraits> =
  | { readonly kind: 'send'; readonly peer: Peer; readonly message: Uint8Array }
  /** To be answered with `respond`, at any time. */
  | { readonly kind: 'request'; readonly request: IncomingRequest<Peer, Resource> }
  /** The endpoint has answered a request by itself; told for the log. */
  | {
      readonly kind: 'refused'
      readonly peer: Peer
      readonly resource: Resource | undefined
      readonly method: CoapMethod | undefined
      readonly code: ResponseCode
      readonly errorCode: ErrorCode
    }
  /** A request of ours was answered. `observed`: notifications will follow. */
  | {
      readonly kind: 'response'
      readonly request: OutgoingRequest<Peer, Resource>
      readonly response: ReceivedResponse
      readonly observed: boolean
    }
  | {
      readonly kind: 'request-failed'
      readonly request: OutgoingRequest<Peer, Resource>
      readonly code: ErrorCode
      readonly detail: string
    }
  | {
      readonly kind: 'notification'
      readonly request: OutgoingRequest<Peer, Resource>
      readonly response: ReceivedResponse
    }
  /** No more notifications come for this request of ours. */
  | { readonly kind: 'subscription-ended'; readonly request: OutgoingRequest<Peer, Resource>; readonly reason: string }
  /** A registration of the peer is over. */
  | {
      readonly kind: 'observation-ended'
      readonly observation: Observation<Peer, Resource>
      readonly reason: ObservationEnd
    }
  | { readonly kind: 'pong'; readonly ping: Ping<Peer, Resource>; readonly answered: boolean }
  /** The peer has asked whether we are there, and was answered: it is there itself. */
  | { readonly kind: 'pinged'; readonly peer: Peer }
  /** On a reliable transport: all is said; the connection is to be closed once what was to be sent has been. */
  | { readonly kind: 'disconnect'; readonly peer: Peer; readonly reason: string }
  /** Noise: to be counted. */
  | { readonly kind: 'discarded'; readonly peer: Peer; readonly reason: string }
