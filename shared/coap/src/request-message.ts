/**
 * What the next message of a request of ours says: its options, and the bytes of the payload that are due.
 *
 * While the payload is under way, that is its next block (RFC 7959 section 2.5); once a response in blocks has begun, the
 * same request without its payload asks for the next block of that (section 2.4).
 */

import { CodedError } from '@sallyport/errors'
import { blockSizeWithin, blockValue } from './block-option.ts'
import type { OutgoingRequest, RequestMessage, ResourceTraits } from './exchange.ts'
import type { CoapOption } from './message-codec.ts'
import { noBytes, uintValue } from './message-codec.ts'
import type { MessageSizes } from './message-sizes.ts'
import { optionNumbers } from './option-registry.ts'
import { pathOptions, textOptions } from './uri-path.ts'

export interface MessageContent {
  readonly options: readonly CoapOption[]
  readonly payload: Uint8Array
}

const register = 0
const deregister = 1
const largestBlock = 1024
const maxEtagBytes = 8

/**
 * @param sizes of the association, whatever the peer has agreed to since
 * @throws CodedError `malformed-request` for a path, query or ETag that has no encoding
 */
export function nextMessage<Peer, Resource extends ResourceTraits>(
  request: OutgoingRequest<Peer, Resource>,
  sizes: MessageSizes,
): MessageContent {
  const { message, sentBytes, receivedBytes, requestTag, echo } = request
  const options = [...pathOptions(message.path), ...textOptions(optionNumbers['Uri-Query'], message.query ?? [])]
  if (message.observe === true && receivedBytes === 0) {
    options.push({ number: optionNumbers.Observe, value: uintValue(request.silent ? deregister : register) })
  }
  options.push(...conditionOptions(message))
  if (message.accept !== undefined) options.push({ number: optionNumbers.Accept, value: uintValue(message.accept) })
  if (requestTag !== undefined) options.push({ number: optionNumbers['Request-Tag'], value: requestTag })
  if (echo !== undefined) options.push({ number: optionNumbers.Echo, value: echo })

  const { bert } = request
  const size = blockSizeWithin(request.blockBytes)
  const body = message.payload ?? noBytes
  if (receivedBytes > 0 || size < largestBlock) {
    const block = { number: receivedBytes / size, more: false, size, bert }
    options.push({ number: optionNumbers.Block2, value: blockValue(block) })
  }
  // The body of a FETCH belongs to what is asked for (RFC 8132 section 2); that of a POST has been taken.
  const repeats = message.method === 'FETCH' && goesWhole(request, sizes)
  if (body.length === 0 || (receivedBytes > 0 && !repeats)) return { options, payload: noBytes }
  if (message.contentFormat !== undefined) {
    options.push({ number: optionNumbers['Content-Format'], value: uintValue(message.contentFormat) })
  }
  if (receivedBytes > 0 || !goesInBlocks(request, sizes)) return { options, payload: body }

  const end = sentBytes + (bert ? request.blockBytes : size)
  const more = end < body.length
  options.push({ number: optionNumbers.Block1, value: blockValue({ number: sentBytes / size, more, size, bert }) })
  if (sentBytes === 0) options.push({ number: optionNumbers.Size1, value: uintValue(body.length) })
  return { options, payload: body.subarray(sentBytes, end) }
}

/** True while the payload is on its way by Block1, or must be. */
export const goesInBlocks = <Peer, Resource extends ResourceTraits>(
  { message, blockBytes, sentBytes }: OutgoingRequest<Peer, Resource>,
  { blockBytes: ours, wholeBytes }: MessageSizes,
): boolean =>
  // A peer that has asked for smaller blocks than ours means it for all that is longer than one of them.
  sentBytes > 0 || (message.payload?.length ?? 0) > (blockBytes < ours ? blockSizeWithin(blockBytes) : wholeBytes)

/** True when the payload has gone, or can go, in one message. */
export const goesWhole = <Peer, Resource extends ResourceTraits>(
  { message, sentBytes }: OutgoingRequest<Peer, Resource>,
  { wholeBytes }: MessageSizes,
): boolean => sentBytes === 0 && (message.payload?.length ?? 0) <= wholeBytes

/** RFC 7252 section 5.10.8. */
function conditionOptions({ conditions }: RequestMessage): CoapOption[] {
  if (conditions === undefined) return []
  const options = conditions.ifMatch.map((value) => {
    if (value.length > maxEtagBytes) throw new CodedError('malformed-request', 'an ETag is too long')
    return { number: optionNumbers['If-Match'], value }
  })
  if (!conditions.ifNoneMatch) return options
  return [...options, { number: optionNumbers['If-None-Match'], value: noBytes }]
}
