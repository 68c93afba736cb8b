/**
 * Payloads and values: JSON (RFC 8259), CBOR (RFC 8949), OCF CBOR and plain text, by CoAP content-format number.
 *
 * Strict: nesting at most 32, a bounded size, duplicate keys refused, text must be UTF-8, no NaN and no infinity, no CBOR
 * tags, no `undefined`, no strings of indefinite length. JSON integers outside the safe range are read whole up to 64 bits. Maps and arrays of indefinite length are read, since devices in the
 * field write them. `__proto__` and `constructor` are keys like any other: decoded maps have no prototype.
 */

import { fromUtf8, utf8 } from '@sallyport/bytes'
import { CodedError, isCodedError } from '@sallyport/errors'
import { Tokenizer as CborTokenizer, decode as decodeCborg, encode as encodeCborg } from 'cborg'
import { Tokenizer as JsonTokenizer } from 'cborg/json'
import { BoundedTokenizer } from './bounded-tokenizer.ts'
import { entriesOf, isArray, toJsonValue, type Value } from './value.ts'

export const maxDepth = 32
/** Bytes; what plgd calls its largest message. */
export const maxRepresentationBytes = 262_144

const textPlain = 0
const octetStream = 42
const json = 50
const cbor = 60
const ocfCbor = 10000

/** CoAP content formats that `decode` and `encode` know, smallest first. */
export const representationFormats: readonly number[] = [textPlain, octetStream, json, cbor, ocfCbor]

/**
 * Reads a payload.
 *
 * @param contentFormat a CoAP Content-Format number (IANA registry)
 * @throws CodedError `unsupported-content-format`, `malformed-request` or `request-too-large`
 */
export function decode(contentFormat: number, bytes: Uint8Array): Value {
  switch (contentFormat) {
    case textPlain:
      return malformedUnless('text', () => fromUtf8(within(bytes)))
    case octetStream:
      return new Uint8Array(within(bytes))
    case json:
      return malformedUnless('JSON', () => decodeJson(within(bytes)))
    case cbor:
    case ocfCbor:
      return malformedUnless('CBOR', () => decodeCbor(within(bytes)))
    default:
      throw unsupported(contentFormat)
  }
}

/**
 * Writes a payload. JSON says what it has no words for as `toJsonValue` does; CBOR has all of it.
 *
 * @throws CodedError `unsupported-content-format`, or `validation-failed` for a value the format cannot say
 */
export function encode(contentFormat: number, value: Value): Uint8Array {
  switch (contentFormat) {
    case textPlain:
      if (typeof value !== 'string') throw new CodedError('validation-failed', 'plain text can only say text')
      return utf8(value)
    case octetStream:
      if (!(value instanceof Uint8Array))
        throw new CodedError('validation-failed', 'an octet stream can only say bytes')
      return value
    case json:
      assertEncodable(value, 0)
      return utf8(JSON.stringify(toJsonValue(value)))
    case cbor:
    case ocfCbor:
      assertEncodable(value, 0)
      return encodeCborg(value)
    default:
      throw unsupported(contentFormat)
  }
}

function decodeCbor(bytes: Uint8Array): Value {
  const options = {
    allowUndefined: false,
    useMaps: true,
    rejectDuplicateMapKeys: true,
    retainStringBytes: true,
    allowIndefinite: true,
    allowBigInt: true,
  }
  const tokenizer = new BoundedTokenizer(new CborTokenizer(bytes, options), bytes.length, maxDepth)
  return toValue(decodeCborg(bytes, { ...options, tokenizer }))
}

/** The platform's parser settles the grammar, on which cborg's is lenient; cborg's sees duplicate keys, depth and large integers. */
function decodeJson(bytes: Uint8Array): Value {
  JSON.parse(fromUtf8(bytes))
  const options = { useMaps: true, rejectDuplicateMapKeys: true, allowBigInt: true }
  const tokenizer = new BoundedTokenizer(new JsonTokenizer(bytes, options), Infinity, maxDepth)
  return toValue(decodeCborg(bytes, { ...options, tokenizer }))
}

/** cborg answers with whatever stood in the bytes, its own break symbol in a place for a value included. */
function toValue(decoded: unknown): Value {
  if (decoded === null || decoded instanceof Uint8Array) return decoded === null ? null : new Uint8Array(decoded)
  if (Array.isArray(decoded)) return decoded.map(toValue)
  if (decoded instanceof Map) return toMapOrRecord(decoded)
  switch (typeof decoded) {
    case 'boolean':
    case 'number':
    case 'string':
      return decoded
    case 'bigint':
      return inSixtyFourBits(decoded) ? decoded : finiteNumber(decoded)
    default:
      throw new Error('not a value')
  }
}

function toMapOrRecord(decoded: ReadonlyMap<unknown, unknown>): Value {
  const map = new Map<number | string, Value>()
  const record: Record<string, Value> = Object.create(null)
  let textOnly = true
  for (const [key, entry] of decoded) {
    const value = toValue(entry)
    if (typeof key === 'string') record[key] = value
    else if (typeof key === 'number' && Number.isInteger(key)) textOnly = false
    else throw new Error('a key is neither text nor an integer')
    map.set(key, value)
  }
  return textOnly ? record : map
}

function assertEncodable(value: Value, depth: number): void {
  assertDepth(depth)
  if (typeof value === 'number') assertFinite(value)
  else if (typeof value === 'bigint' && !inSixtyFourBits(value)) {
    throw new CodedError('validation-failed', 'an integer has more than 64 bits')
  } else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    if (isArray(value)) for (const item of value) assertEncodable(item, depth + 1)
    else for (const [, entry] of entriesOf(value)) assertEncodable(entry, depth + 1)
  }
}

/** A CBOR integer: 64 bits and a sign. */
const inSixtyFourBits = (value: bigint): boolean => BigInt.asIntN(65, value) === value

/** JSON's larger integers, such as 1e20 written out, are what every JSON reader makes of them. */
function finiteNumber(value: bigint): number {
  const number = Number(value)
  if (!Number.isFinite(number)) throw new Error('a number is not finite')
  return number
}

function assertFinite(value: number): void {
  if (!Number.isFinite(value)) throw new CodedError('validation-failed', 'a number is not finite')
}

function assertDepth(depth: number): void {
  if (depth > maxDepth) throw new CodedError('validation-failed', `nested deeper than ${maxDepth}`)
}

function within(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= maxRepresentationBytes) return bytes
  throw new CodedError('request-too-large', `a representation has at most ${maxRepresentationBytes} bytes`)
}

function malformedUnless(what: string, read: () => Value): Value {
  try {
    return read()
  } catch (cause) {
    if (isCodedError(cause) && cause.code === 'request-too-large') throw cause
    const reason = cause instanceof Error ? cause.message.replace(/^CBOR decode error: ?/, '') : ''
    throw new CodedError('malformed-request', `the payload is not ${what} that is accepted here: ${reason}`, { cause })
  }
}

const unsupported = (contentFormat: number): CodedError =>
  new CodedError(
    'unsupported-content-format',
    `content format ${contentFormat} is not one of ${representationFormats.join(', ')}`,
  )
