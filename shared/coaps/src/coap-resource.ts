/** What a service declares and what its handlers see: resources, requests and responses, without a trace of datagrams. */

import type { Duration } from '@sallyport/clock'
import type { BodyPart, CoapMethod, Conditions, ResponseCode } from '@sallyport/coap'
import type { Association } from './association.ts'

export interface CoapRequest<Identity> {
  readonly association: Association<Identity>
  readonly method: CoapMethod
  /** Decoded segments joined by `/`, with a leading `/`. No segment is empty but the last, or `.` or `..`. */
  readonly path: string
  /** What the resource's pattern captured. */
  readonly parameters: Readonly<Record<string, string>>
  /** Each Uri-Query split at its first `=`; the value is empty where there is none. */
  readonly query: readonly { readonly name: string; readonly value: string }[]
  readonly contentFormat: number | undefined
  readonly accept: number | undefined
  /** If-Match and If-None-Match, for `meetsConditions`; undefined without any, and where the resource keeps none. */
  readonly conditions?: Conditions | undefined
  /** Whole, reassembled within the resource's `maxRequestBytes`; it belongs to the handler. */
  readonly payload: Uint8Array
  /** Made here for each request; goes to logs, to HTTP as `x-correlation-id` and to audit events. */
  readonly correlationId: string
  /** 0 to 8 bytes, chosen by the peer; a registration that is renewed keeps its token. */
  readonly token?: Uint8Array
  /** Of the DTLS record that completed the request: a request that is played back has that of the first. Undefined over TLS. */
  readonly recordSequence?: number | undefined
  /** Aborted when the association closes. */
  readonly signal: AbortSignal
  /** Which bytes of the body the payload is; only where the resource receives blocks. */
  readonly part?: BodyPart | undefined
  /** The bytes of the response that are asked for; for a handler that answers with a `part`. */
  readonly range?: { readonly offset: number; readonly length: number }
}

export interface CoapResponse {
  readonly code: ResponseCode
  readonly payload?: Uint8Array
  readonly contentFormat?: number
  /** 1 to 8 bytes; made from the payload where it is needed and missing. */
  readonly etag?: Uint8Array
  /** Seconds. */
  readonly maxAge?: number
  readonly locationPath?: readonly string[]
  readonly locationQuery?: readonly string[]
  /**
   * The payload is just the part of a long body that the request's `range` asks for: a body that is never held whole.
   * Give an `etag` with it, so that the peer notices when the body changes between two parts.
   */
  readonly part?: { readonly more: boolean; readonly totalBytes?: number }
}

/** May throw a `CodedError`: it is answered with the code's CoAP status and RFC 9290 problem details. */
export type CoapHandler<Identity> = (request: CoapRequest<Identity>) => Promise<CoapResponse> | CoapResponse

/** What `/.well-known/core` says about a resource (RFC 6690). */
export interface LinkAttributes {
  readonly rt?: string | readonly string[]
  readonly if?: string | readonly string[]
  readonly ct?: readonly number[]
  readonly title?: string
}

export interface CoapResource<Identity> {
  /** `/oic/sec/session`, or with parameters `/api/v1/devices/{deviceId}/{href*}`; `{name*}` takes the rest of the path. */
  readonly path: string
  /** Listed at `/.well-known/core` when given. */
  readonly attributes?: LinkAttributes
  /** Default 65536; a larger request gets 4.13 before its bytes are taken. */
  readonly maxRequestBytes?: number
  /**
   * `whole` (default): the handler gets the body assembled. `blocks`: it gets each block as it comes, in order and with its
   * `part`, answers 2.31 while there are more, and `maxRequestBytes` bounds the sum. Nothing is held in between.
   */
  readonly receives?: 'whole' | 'blocks'
  /**
   * How old a request that changes something may be, for a resource that moves something in the world. One that cannot
   * show it is asked to come again, by 4.01 with an Echo option (RFC 9175 section 2). Default: not asked.
   */
  readonly freshWithin?: Duration
  /** The handlers keep `conditions`; without that, a request with If-Match or If-None-Match gets 4.02. */
  readonly conditional?: boolean
  readonly handlers: Partial<Record<CoapMethod, CoapHandler<Identity>>>
  /**
   * Makes GET and FETCH observable: called once per registration, before the first read. `changed` asks for a
   * notification: the handler runs again, for a FETCH with the payload of its registration. Returns how to end it; that is called once, whatever ended the observation.
   */
  readonly observe?: (request: CoapRequest<Identity>, changed: () => void) => () => void
}
