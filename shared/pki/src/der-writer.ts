/**
 * DER (X.690) as functions from values to bytes: each returns one whole element.
 */

import { concat, utf8 } from '@sallyport/bytes'
import { contextTag, derTag } from './der-reader.ts'

/** Length octets in the shortest form. */
function lengthOctets(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return Uint8Array.of(0x80 | octets.length, ...octets)
}

export function derElement(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, part) => sum + part.length, 0)
  return concat(Uint8Array.of(tag), lengthOctets(length), ...contents)
}

export const derSequence = (...parts: readonly Uint8Array[]): Uint8Array => derElement(derTag.sequence, ...parts)

/** SET OF: DER orders the elements by their octets (X.690 section 11.6). */
export const derSetOf = (...parts: readonly Uint8Array[]): Uint8Array =>
  derElement(derTag.set, ...parts.toSorted((a, b) => Buffer.compare(a, b)))

/** `[n] EXPLICIT`, and `[n] IMPLICIT` of a constructed type. */
export const derContext = (number: number, ...contents: readonly Uint8Array[]): Uint8Array =>
  derElement(contextTag(number, 'constructed'), ...contents)

/** `[n] IMPLICIT` of a primitive type. */
export const derContextPrimitive = (number: number, contents: Uint8Array): Uint8Array =>
  derElement(contextTag(number, 'primitive'), contents)

export const derBoolean = (value: boolean): Uint8Array => derElement(derTag.boolean, Uint8Array.of(value ? 0xff : 0))

export const derNull = (): Uint8Array => derElement(derTag.null)

/** An INTEGER from unsigned big-endian octets of any length. */
export function derUnsigned(octets: Uint8Array): Uint8Array {
  let start = 0
  while (start < octets.length - 1 && octets[start] === 0) start++
  const minimal = octets.length === 0 ? Uint8Array.of(0) : octets.subarray(start)
  const needsSign = (minimal[0] as number) >= 0x80
  return derElement(derTag.integer, ...(needsSign ? [Uint8Array.of(0)] : []), minimal)
}

export const derInteger = (value: number): Uint8Array =>
  derUnsigned(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value))

export const derOctetString = (octets: Uint8Array): Uint8Array => derElement(derTag.octetString, octets)

export const derBitString = (octets: Uint8Array, unusedBits = 0): Uint8Array =>
  derElement(derTag.bitString, Uint8Array.of(unusedBits), octets)

/** A BIT STRING of named bits: trailing zero bits are left out (X.690 section 11.2.2). Bit 0 is the first. */
export function derNamedBits(bits: readonly number[]): Uint8Array {
  const highest = Math.max(-1, ...bits)
  const octets = new Uint8Array(Math.ceil((highest + 1) / 8))
  for (const bit of bits) octets[bit >> 3] = (octets[bit >> 3] as number) | (0x80 >> (bit & 7))
  return derBitString(octets, highest < 0 ? 0 : 7 - (highest & 7))
}

export function derObjectIdentifier(dotted: string): Uint8Array {
  const [root = 0n, second = 0n, ...rest] = dotted.split('.').map((arc) => BigInt(arc))
  const octets: number[] = []
  for (const arc of [root * 40n + second, ...rest]) {
    const groups = [Number(arc & 0x7fn)]
    for (let left = arc >> 7n; left > 0n; left >>= 7n) groups.unshift(Number(left & 0x7fn) | 0x80)
    octets.push(...groups)
  }
  return derElement(derTag.objectIdentifier, Uint8Array.from(octets))
}

export const derUtf8String = (text: string): Uint8Array => derElement(derTag.utf8String, utf8(text))

/** RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050; whole seconds. */
export function derTime(millisecondsSinceEpoch: number): Uint8Array {
  const at = new Date(millisecondsSinceEpoch)
  const year = at.getUTCFullYear()
  const pad = (value: number, width = 2): string => String(value).padStart(width, '0')
  const afterYear = [at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
    .map((part) => pad(part))
    .join('')
  return year < 2050
    ? derElement(derTag.utcTime, utf8(`${pad(year % 100)}${afterYear}Z`))
    : derElement(derTag.generalizedTime, utf8(`${pad(year, 4)}${afterYear}Z`))
}
