/**
 * Reading the fields of a decoded request: each function names what is missing or of the wrong kind, so that the peer learns
 * it from the problem detail.
 */

import { CodedError } from '@sallyport/errors'
import { isArray, isRecord, type Value, type ValueRecord } from './value.ts'

/** @throws CodedError `malformed-request` unless the value is a map with text keys. */
export function asRecord(value: Value | undefined, what = 'the payload'): ValueRecord {
  if (isRecord(value)) return value
  throw new CodedError('malformed-request', `${what} is not a map`)
}

/** @throws CodedError `malformed-request` unless the value is an array. */
export function asArray(value: Value | undefined, what = 'the payload'): readonly Value[] {
  if (value !== undefined && isArray(value)) return value
  throw new CodedError('malformed-request', `${what} is not an array`)
}

/** @throws CodedError `malformed-request` when the field is absent or not text. */
export function textAt(record: ValueRecord, key: string): string {
  const text = optionalTextAt(record, key)
  if (text === undefined) throw new CodedError('malformed-request', `'${key}' is missing`)
  return text
}

/** @throws CodedError `malformed-request` when the field is there and not text. */
export function optionalTextAt(record: ValueRecord, key: string): string | undefined {
  const value = record[key]
  if (value === undefined || typeof value === 'string') return value
  throw new CodedError('malformed-request', `'${key}' is not text`)
}

/** @throws CodedError `malformed-request` when the field is there and not an integer within the safe range. */
export function optionalIntegerAt(record: ValueRecord, key: string): number | undefined {
  const value = record[key]
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw new CodedError('malformed-request', `'${key}' is not an integer`)
}

/** @throws CodedError `malformed-request` when the field is there and not true or false. */
export function optionalBooleanAt(record: ValueRecord, key: string): boolean | undefined {
  const value = record[key]
  if (value === undefined || typeof value === 'boolean') return value
  throw new CodedError('malformed-request', `'${key}' is not a boolean`)
}
