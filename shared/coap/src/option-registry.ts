/**
 * Options and their rules: length and whether they may repeat (RFC 7252 section 5.10 and the RFCs named below).
 *
 * An option that is too long, too short, or repeated though it may not be, is treated as an unknown one
 * (RFC 7252 sections 5.4.3 and 5.4.5): a critical one refuses the message, an elective one is ignored.
 */

export const optionNumbers = {
  'If-Match': 1,
  'Uri-Host': 3,
  ETag: 4,
  'If-None-Match': 5,
  Observe: 6, // RFC 7641
  'Uri-Port': 7,
  'Location-Path': 8,
  'Uri-Path': 11,
  'Content-Format': 12,
  'Max-Age': 14,
  'Uri-Query': 15,
  'Hop-Limit': 16, // RFC 8768
  Accept: 17,
  'Location-Query': 20,
  Block2: 23, // RFC 7959
  Block1: 27, // RFC 7959
  Size2: 28, // RFC 7959
  'Proxy-Uri': 35,
  'Proxy-Scheme': 39,
  Size1: 60,
  Echo: 252, // RFC 9175
  'No-Response': 258, // RFC 7967
  'Request-Tag': 292, // RFC 9175
  // OCF Core: stock devices send both with every request, and both are critical.
  'OCF-Accept-Content-Format-Version': 2049,
  'OCF-Content-Format-Version': 2053,
} as const

export type OptionName = keyof typeof optionNumbers

interface OptionRule {
  readonly minLength: number
  readonly maxLength: number
  readonly repeatable: boolean
}

const rule = (minLength: number, maxLength: number, repeatable = false): OptionRule => ({
  minLength,
  maxLength,
  repeatable,
})

const rules: Record<OptionName, OptionRule> = {
  'If-Match': rule(0, 8, true),
  'Uri-Host': rule(1, 255),
  ETag: rule(1, 8, true),
  'If-None-Match': rule(0, 0),
  Observe: rule(0, 3),
  'Uri-Port': rule(0, 2),
  'Location-Path': rule(0, 255, true),
  'Uri-Path': rule(0, 255, true),
  'Content-Format': rule(0, 2),
  'Max-Age': rule(0, 4),
  'Uri-Query': rule(0, 255, true),
  // One byte; what is no hop limit is refused, not ignored (RFC 8768 section 3).
  'Hop-Limit': rule(0, 4),
  Accept: rule(0, 2),
  'Location-Query': rule(0, 255, true),
  Block2: rule(0, 3),
  Block1: rule(0, 3),
  Size2: rule(0, 4),
  'Proxy-Uri': rule(1, 1034),
  'Proxy-Scheme': rule(1, 255),
  Size1: rule(0, 4),
  Echo: rule(1, 40),
  'No-Response': rule(0, 1),
  'Request-Tag': rule(0, 8, true),
  'OCF-Accept-Content-Format-Version': rule(0, 2),
  'OCF-Content-Format-Version': rule(0, 2),
}

const ruleOf = new Map<number, OptionRule>(
  (Object.keys(rules) as OptionName[]).map((name) => [optionNumbers[name], rules[name]]),
)

/** Odd numbers are critical (RFC 7252 section 5.4.6). */
export const isCritical = (number: number): boolean => (number & 1) === 1

/** A proxy must understand it before it forwards (RFC 7252 section 5.4.6). */
export const isUnsafe = (number: number): boolean => (number & 2) === 2

/** True when the option is one of the registry and keeps its rules. @param repeated it has occurred in the message before */
export function keepsItsRules(number: number, length: number, repeated: boolean): boolean {
  const found = ruleOf.get(number)
  if (found === undefined) return false
  return length >= found.minLength && length <= found.maxLength && (!repeated || found.repeatable)
}
