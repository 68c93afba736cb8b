/** A response of the peer, whole, as whoever asked is told of it. */

import type { ResponseCode } from './code-registry.ts'
import type { OutgoingRequest, ReceivedResponse, ResourceTraits } from './exchange.ts'
import type { ResponseOptions } from './request-options.ts'

export const responseOf = <Peer, Resource extends ResourceTraits>(
  { association }: OutgoingRequest<Peer, Resource>,
  code: ResponseCode,
  payload: Uint8Array,
  options: ResponseOptions,
  observe: number | undefined,
): ReceivedResponse => ({
  code,
  payload,
  contentFormat: options.contentFormat,
  etag: options.etag?.slice(),
  maxAge: options.maxAge,
  observe,
  recordSequence: association.recordSequence,
})
