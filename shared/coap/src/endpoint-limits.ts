/** What one endpoint may hold and how long it waits. Every buffer of the endpoint has its bound here. */

import type { Duration } from '@sallyport/clock'
import { hours, seconds } from '@sallyport/clock'
import type { RequestQuota } from './request-quota.ts'

export interface EndpointLimits {
  /** Largest block sent or taken, 16 to 1024 bytes; smaller where the path carries less. */
  readonly maxBlockBytes: number
  /** Exchanges of one association whose Message ID is remembered. */
  readonly recentExchanges: number
  /** Bytes of replies that one association may have kept for duplicates. */
  readonly recentReplyBytes: number
  /** Requests of one association that wait for their handler; more get 5.03. */
  readonly openExchanges: number
  /** Requests of one association in a time; more get 4.29 (RFC 8516). Undefined: as many as it can send. */
  readonly requestQuota: RequestQuota | undefined
  /** Confirmable messages of one association on their way (NSTART, RFC 7252 section 4.7). */
  readonly outstandingConfirmables: number
  /** Confirmable messages of one association that wait for their turn. */
  readonly waitingConfirmables: number
  /** Requests of ours on one association that wait for a response, observations included. */
  readonly outgoingRequests: number
  readonly observations: number
  /** Longest payload of a FETCH that may be observed: it is kept as long as the observation. */
  readonly observedRequestBytes: number
  /** Unfinished Block1 transfers of one association; the longest idle one gives way. */
  readonly uploads: number
  /** Bytes of unfinished Block1 transfers over all associations; more get 5.03. */
  readonly uploadBytes: number
  /** Bodies of one association that are being fetched block by block; the longest idle one gives way. */
  readonly servedBodies: number
  /** Their bytes; a body that is larger than this is kept alone. */
  readonly associationServedBytes: number
  /** Bytes of bodies that are being fetched, over all associations. */
  readonly servedBodyBytes: number
  /** An unfinished transfer is forgotten after this long without a block. */
  readonly transferLifetime: Duration
  /** A response that takes longer is sent separately, after an empty acknowledgement. */
  readonly piggybackDelay: Duration
  /** ACK_TIMEOUT (RFC 7252 section 4.8). */
  readonly acknowledgementTimeout: Duration
  readonly maxRetransmit: number
  /** A Message ID may be used anew after this long: EXCHANGE_LIFETIME (RFC 7252 section 4.8.2). */
  readonly exchangeLifetime: Duration
  /** Every so many non-confirmable notifications one is confirmable. */
  readonly confirmableEvery: number
  /** A confirmable notification at least this often (RFC 7641 section 4.5). */
  readonly confirmableInterval: Duration
  /** A notification that follows another sooner than this is confirmable, so that acknowledgements pace it (RFC 7641 section 4.5.1). */
  readonly nonConfirmableInterval: Duration
  /** An observation of ours is renewed when the Max-Age that the peer names has passed, within these bounds. */
  readonly shortestRenewal: Duration
  readonly longestRenewal: Duration
  /** On reliable transports: the longest message that is taken, as we tell the peer (RFC 8323 section 5.3.1). */
  readonly maxMessageBytes: number
  /** Bytes of messages that have begun and not ended, over all associations; more aborts the one that brings it. */
  readonly unfinishedMessageBytes: number
  /** A peer's first message, its CSM, must come within this. */
  readonly capabilitiesTimeout: Duration
  /** A message that has begun must end within this. */
  readonly unfinishedMessageTimeout: Duration
}

export const defaultEndpointLimits: EndpointLimits = {
  maxBlockBytes: 1024,
  recentExchanges: 64,
  recentReplyBytes: 16_384,
  openExchanges: 32,
  requestQuota: undefined,
  outstandingConfirmables: 1,
  waitingConfirmables: 64,
  outgoingRequests: 64,
  observations: 32,
  observedRequestBytes: 1024,
  uploads: 4,
  uploadBytes: 64 * 1024 * 1024,
  // As many as may be asked for at once: the answers to parallel requests are fetched in parallel, too.
  servedBodies: 32,
  associationServedBytes: 1024 * 1024,
  servedBodyBytes: 64 * 1024 * 1024,
  transferLifetime: seconds(120),
  piggybackDelay: seconds(1),
  acknowledgementTimeout: seconds(2),
  maxRetransmit: 4,
  exchangeLifetime: seconds(247),
  confirmableEvery: 5,
  confirmableInterval: hours(24),
  nonConfirmableInterval: seconds(3),
  shortestRenewal: seconds(60),
  longestRenewal: hours(24),
  maxMessageBytes: 262_144,
  unfinishedMessageBytes: 64 * 1024 * 1024,
  capabilitiesTimeout: seconds(10),
  unfinishedMessageTimeout: seconds(60),
}
