/** A parsed JSON body, proven to be something a device can be sent unchanged: bounded depth, no integer that lost its last digits. */

import { CodedError } from '@sallyport/errors'
import type { JsonValue } from '@sallyport/fleet'

const maxDepth = 32

/** @throws CodedError `validation-failed`. */
export function readJsonValue(value: unknown, depth = 0): JsonValue {
  if (depth > maxDepth)
    throw new CodedError('validation-failed', `The representation is nested deeper than ${maxDepth}.`)
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') {
    if (Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))) return value
    throw new CodedError('validation-failed', `A number is outside of ±(2^53 − 1): ${value}.`)
  }
  if (Array.isArray(value)) return value.map((item) => readJsonValue(item, depth + 1))
  if (typeof value !== 'object') throw new CodedError('validation-failed', 'Send a JSON value.')
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, readJsonValue(item, depth + 1)]))
}
