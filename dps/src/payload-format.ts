/** Content formats of the dps: OCF CBOR (10000, also when nothing is said), CBOR (60) and JSON (50). */

import type { CoapRequest, CoapResponse } from '@sallyport/coaps'
import { CodedError } from '@sallyport/errors'
import { asRecord, decode, encode, type Value, type ValueRecord } from '@sallyport/representation'

export const payloadFormats: readonly number[] = [10000, 60, 50]

/** Larger than a request of 8 KiB in PEM, far below what costs us anything. */
export const maxProvisioningRequestBytes = 16_384

/** The format to answer in; asked before anything is done. @throws CodedError `not-acceptable`. */
export function answerFormat(request: CoapRequest<unknown>): number {
  const format = request.accept ?? 10000
  if (payloadFormats.includes(format)) return format
  throw new CodedError('not-acceptable', `content format ${format} is not one of ${payloadFormats.join(', ')}`)
}

/** @throws CodedError `unsupported-content-format`, `malformed-request`. */
export function bodyOf(request: CoapRequest<unknown>): ValueRecord {
  const format = request.contentFormat ?? 10000
  if (!payloadFormats.includes(format)) {
    throw new CodedError(
      'unsupported-content-format',
      `content format ${format} is not one of ${payloadFormats.join(', ')}`,
    )
  }
  return asRecord(decode(format, request.payload))
}

export const answer = (code: '2.04' | '2.05', contentFormat: number, value: Value): CoapResponse => ({
  code,
  contentFormat,
  payload: encode(contentFormat, value),
})
