/**
 * What an answer says: its options, and the block of its body that is due (RFC 7959 section 2.4).
 *
 * A body that the peer has already, by its ETag, is not sent (2.03). One that is longer than a block gets an ETag where it
 * has none, so that the peer notices when the body changes between two blocks.
 */

import { createHash } from 'node:crypto'
import type { ErrorCode } from '@sallyport/errors'
import { type BlockSize, blockSizeWithin, blockValue, maxBlockSize } from './block-option.ts'
import type { ResponseCode } from './code-registry.ts'
import { isSuccess } from './code-registry.ts'
import { contentFormats } from './content-formats.ts'
import type { IncomingRequest, OutgoingResponse, ResourceTraits } from './exchange.ts'
import type { CoapOption } from './message-codec.ts'
import { noBytes, uintValue } from './message-codec.ts'
import { isBert } from './message-sizes.ts'
import { optionNumbers } from './option-registry.ts'
import { problemDetails } from './problem-details.ts'
import { textOptions } from './uri-path.ts'

export interface ShapedResponse {
  readonly code: ResponseCode
  readonly payload: Uint8Array
  /** The whole of it, where the peer will ask for further blocks. */
  readonly rest: OutgoingResponse | undefined
}

/**
 * @param options of the message so far; those of the response are added
 * @param largestBlock where not even the association's blocks fit
 * @throws RangeError or CodedError for a response that has no encoding
 */
export function shapeResponse<Peer, Resource extends ResourceTraits>(
  request: IncomingRequest<Peer, Resource>,
  response: OutgoingResponse,
  options: CoapOption[],
  largestBlock: BlockSize = maxBlockSize,
): ShapedResponse {
  const { wire } = request
  const payload = response.payload ?? noBytes
  const { sizes } = request.association
  // Several blocks at a time where the peer can and has not asked for less (RFC 8323 section 6).
  const bert = isBert(sizes) && (wire.block2 === undefined || wire.block2.bert === true)
  const blockSize = bert ? sizes.blockSize : blockSizeWithin(Math.min(request.range.length, largestBlock))
  const size = bert ? request.range.length : blockSize
  const shrunk = largestBlock < sizes.blockSize
  const wholeBytes = wire.block2 === undefined && !shrunk ? sizes.wholeBytes : size
  const succeeded = isSuccess(response.code)
  // An error is sent as it is, whichever block was asked for.
  const offset = succeeded ? request.range.offset : 0
  const isPart = response.part !== undefined
  const inBlocks = isPart || payload.length > wholeBytes || (wire.block2 !== undefined && succeeded)
  const etag = response.etag ?? (succeeded && !isPart && payload.length > wholeBytes ? etagOf(payload) : undefined)

  if (etag !== undefined && (etag.length === 0 || etag.length > 8))
    throw new RangeError(`an ETag of ${etag.length} bytes`)
  if (etag !== undefined && response.code === '2.05' && wire.etags.some((known) => Buffer.compare(known, etag) === 0)) {
    options.push({ number: optionNumbers.ETag, value: etag })
    addMaxAge(options, response)
    return { code: '2.03', payload: noBytes, rest: undefined }
  }
  if (!isPart && offset > 0 && offset >= payload.length) {
    return { code: '4.00', payload: problemOptions(options, 'malformed-request', 'no such block'), rest: undefined }
  }
  if (etag !== undefined) options.push({ number: optionNumbers.ETag, value: etag })
  if (response.contentFormat !== undefined) {
    options.push({ number: optionNumbers['Content-Format'], value: uintValue(response.contentFormat) })
  }
  addMaxAge(options, response)
  const { locationPath, locationQuery } = response
  if (locationPath !== undefined) options.push(...textOptions(optionNumbers['Location-Path'], locationPath))
  if (locationQuery !== undefined) options.push(...textOptions(optionNumbers['Location-Query'], locationQuery))
  if (!inBlocks) return { code: response.code, payload, rest: undefined }

  const more = response.part?.more ?? offset + size < payload.length
  options.push({
    number: optionNumbers.Block2,
    value: blockValue({ number: offset / blockSize, more, size: blockSize, bert }),
  })
  const total = isPart ? response.part?.totalBytes : payload.length
  if (offset === 0 && more && total !== undefined) {
    options.push({ number: optionNumbers.Size2, value: uintValue(total) })
  }
  if (isPart) return { code: response.code, payload, rest: undefined }
  const rest = offset === 0 && more ? (etag === undefined ? response : { ...response, etag }) : undefined
  return { code: response.code, payload: payload.subarray(offset, offset + size), rest }
}

/** Adds the format of concise problem details (RFC 9290) and gives their bytes. */
export function problemOptions(options: CoapOption[], code: ErrorCode, detail: string): Uint8Array {
  const format = contentFormats['application/concise-problem-details+cbor']
  options.push({ number: optionNumbers['Content-Format'], value: uintValue(format) })
  return problemDetails(code, detail)
}

function addMaxAge(options: CoapOption[], response: OutgoingResponse): void {
  if (response.maxAge !== undefined)
    options.push({ number: optionNumbers['Max-Age'], value: uintValue(response.maxAge) })
}

const etagOf = (payload: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha256').update(payload).digest()).subarray(0, 8)
