/**
 * Bodies of the OCF resources: what a device sent, by its content format, and our answer, by its Accept option.
 *
 * Both default to OCF CBOR (10000), which is what stock devices send without saying so.
 */

import type { ResponseCode } from '@sallyport/coap'
import type { CoapResponse } from '@sallyport/coaps'
import { CodedError } from '@sallyport/errors'
import { asRecord, decode, encode, type Value, type ValueRecord } from '@sallyport/representation'
import type { DeviceRequest } from './device-request.ts'

const ocfCbor = 10000
const cbor = 60
const json = 50

const bodyFormats: ReadonlySet<number> = new Set([ocfCbor, cbor, json])

/** @throws CodedError `unsupported-content-format`, `malformed-request` unless the body is a map. */
export function requestBody(request: DeviceRequest): ValueRecord {
  const format = request.contentFormat ?? ocfCbor
  if (!bodyFormats.has(format)) {
    throw new CodedError('unsupported-content-format', `Send content format ${[...bodyFormats].join(', ')}.`)
  }
  return asRecord(decode(format, request.payload), 'the body')
}

/** @throws CodedError `not-acceptable` */
export function answer(request: DeviceRequest, code: ResponseCode, body: Value): CoapResponse {
  const format = request.accept ?? ocfCbor
  if (!bodyFormats.has(format)) {
    throw new CodedError('not-acceptable', `Accept content format ${[...bodyFormats].join(', ')}.`)
  }
  return { code, payload: encode(format, body), contentFormat: format }
}
