/** Requests that this side sends, and what comes back. */

import type { Duration } from '@sallyport/clock'
import type { CoapMethod, Conditions, ResponseCode } from '@sallyport/coap'

export interface ClientRequest {
  readonly method: CoapMethod
  /** `/oic/res`; segments are sent as they are, without percent decoding. */
  readonly path: string
  /** `name=value` each. */
  readonly query?: readonly string[]
  readonly payload?: Uint8Array
  readonly contentFormat?: number
  readonly accept?: number
  /** Carried out only where these are met; else the answer is 4.12. */
  readonly conditions?: Conditions
  /** Longest time without progress; default 10 s. */
  readonly timeout?: Duration
  /** Default 256 KiB. */
  readonly maxResponseBytes?: number
  /** Default true. */
  readonly confirmable?: boolean
}

export interface ClientResponse {
  readonly code: ResponseCode
  /** Whole, reassembled from its blocks. */
  readonly payload: Uint8Array
  readonly contentFormat: number | undefined
  readonly etag: Uint8Array | undefined
  /** Seconds, where the peer said it; with 4.29 and 5.03, when to come again (RFC 8516). */
  readonly maxAge: number | undefined
  /** Sequence number of a notification (RFC 7641). */
  readonly observe: number | undefined
  /** Of the DTLS record that completed it; undefined over TLS. */
  readonly recordSequence: number | undefined
}

export interface ClientObservation {
  readonly first: ClientResponse
  /** False when the peer answered without taking the registration. */
  readonly observed: boolean
  cancel(): void
}
