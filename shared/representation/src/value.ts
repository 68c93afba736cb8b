/** What a payload holds once it is decoded, whatever its format was, and how that looks in JSON. */

import { toBase64Url } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'

/**
 * A decoded payload. Integers outside the safe range are `bigint`; numbers are finite and never −0. Maps with text keys are
 * objects without a prototype; only a CBOR map with an integer among its keys is a `Map`.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | ReadonlyMap<number | string, Value>
  | { readonly [key: string]: Value }

/** A map with text keys. */
export interface ValueRecord {
  readonly [key: string]: Value
}

/** What `JSON.stringify` and a `jsonb` column take without loss. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** True for a map with text keys; false for arrays, bytes and maps with integer keys. */
export function isRecord(value: Value | undefined): value is ValueRecord {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof Map)
  )
}

/**
 * The JSON that stands for a value: bytes as base64url without padding, integers outside the safe range as decimal text (a
 * JSON number would silently change them), integer keys as decimal text. Objects have no prototype.
 *
 * @throws CodedError `validation-failed` for a number that JSON cannot say.
 */
export function toJsonValue(value: Value): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new CodedError('validation-failed', 'a number is not finite')
    return value
  }
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return toBase64Url(value)
  if (isArray(value)) return value.map(toJsonValue)
  const json: Record<string, JsonValue> = Object.create(null)
  for (const [key, entry] of entriesOf(value)) json[key] = toJsonValue(entry)
  return json
}

/** `Array.isArray` that narrows readonly arrays. */
export function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

/** The entries of either kind of map; integer keys as numbers. */
export function entriesOf(
  value: ReadonlyMap<number | string, Value> | ValueRecord,
): Iterable<readonly [number | string, Value]> {
  return value instanceof Map ? value.entries() : Object.entries(value)
}
