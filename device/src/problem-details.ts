/** What a refusal says: concise problem details (RFC 9290), or the diagnostic text of RFC 7252 section 5.5.2. */

import { isCodedError } from '@sallyport/errors'
import { decode, type Value } from '@sallyport/representation'
import type { LinkAnswer } from './coap-link.ts'

export interface Problem {
  readonly text: string
  /** The error code of our services. */
  readonly code: string | undefined
}

const problemDetails = 257
const title = -1
const detail = -2

export function describeProblem(answer: LinkAnswer): Problem {
  if (answer.payload.length === 0) return { text: 'no reason given', code: undefined }
  try {
    if (answer.contentFormat === problemDetails) return fromMap(decode(60, answer.payload))
    return { text: String(decode(0, answer.payload)), code: undefined }
  } catch (error) {
    if (!isCodedError(error)) throw error
    return { text: 'a reason that does not decode', code: undefined }
  }
}

function fromMap(value: Value): Problem {
  const fields = value instanceof Map ? value : new Map<number | string, Value>()
  const text = [fields.get(title), fields.get(detail)]
    .filter((part) => typeof part === 'string' && part !== '')
    .join(' ')
  const code = fields.get('code')
  return { text: text === '' ? 'no reason given' : text, code: typeof code === 'string' ? code : undefined }
}
