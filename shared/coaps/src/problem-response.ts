/** From an error to the response that the peer gets: its status, and concise problem details (RFC 9290). */

import { randomInt } from 'node:crypto'
import type { OutgoingResponse } from '@sallyport/coap'
import { contentFormats, problemDetails } from '@sallyport/coap'
import type { ErrorCode } from '@sallyport/errors'
import { isCodedError } from '@sallyport/errors'
import { coapStatusOf } from './coap-status.ts'

export interface Problem {
  readonly response: OutgoingResponse
  readonly errorCode: ErrorCode
}

/**
 * Seconds after which a peer may come again, unless the error's details say `retryAfterSeconds`: spread, so that those who were
 * told together do not come back together.
 */
const retryAfterSeconds = () => randomInt(5, 16)

/** An error that is not coded tells the peer nothing but the correlation id. */
export function problemOf(error: unknown, correlationId: string): Problem {
  const errorCode = isCodedError(error) ? error.code : 'internal'
  const code = coapStatusOf[errorCode]
  const detail = isCodedError(error) ? error.message : `correlation id ${correlationId}`
  const response: OutgoingResponse = {
    code,
    payload: problemDetails(errorCode, detail),
    contentFormat: contentFormats['application/concise-problem-details+cbor'],
  }
  // RFC 7252 section 5.9.3.4 and RFC 8516: Max-Age says when to try again.
  if (code !== '5.03' && code !== '4.29') return { response, errorCode }
  const said = isCodedError(error) ? error.details.retryAfterSeconds : undefined
  return { response: { ...response, maxAge: typeof said === 'number' ? said : retryAfterSeconds() }, errorCode }
}
