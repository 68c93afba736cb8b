/**
 * Paths and queries as options carry them (RFC 7252 section 6): decoded segments, no percent encoding.
 *
 * A segment that could mean another path to whatever handles it later (`..`, an inner `/`, a percent-encoded dot, a NUL)
 * is refused here, once, whether or not a resource would mind.
 */

import { fromUtf8, utf8 } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import type { CoapOption } from './message-codec.ts'
import { optionNumbers } from './option-registry.ts'

const dotSegment = /^(?:\.|%2e){1,2}$/i
const forbidden = /[\u0000-\u001f\u007f/\\]/
const control = /[\u0000-\u001f\u007f]/

/**
 * The segment of one Uri-Path option; undefined when it is refused.
 *
 * @throws CodedError `malformed-bytes` when the value is not UTF-8
 */
export function decodeSegment(value: Uint8Array): string | undefined {
  const text = decodeText(value)
  return dotSegment.test(text) || forbidden.test(text) ? undefined : text
}

/**
 * The text of one Uri-Query option; undefined when it is refused, for a control character.
 *
 * @throws CodedError `malformed-bytes` when the value is not UTF-8
 */
export function decodeQuery(value: Uint8Array): string | undefined {
  const text = decodeText(value)
  return control.test(text) ? undefined : text
}

/**
 * Text of an option; ASCII, the usual case, without a decoder, and short, as segments are, without a Buffer.
 *
 * @throws CodedError `malformed-bytes` when it is not UTF-8
 */
function decodeText(value: Uint8Array): string {
  const { length } = value
  let text = ''
  for (let index = 0; index < length; index++) {
    const byte = value[index] as number
    if (byte > 0x7f) return fromUtf8(value)
    if (length <= shortText) text += String.fromCharCode(byte)
  }
  return length <= shortText ? text : Buffer.from(value.buffer, value.byteOffset, length).toString('latin1')
}

const shortText = 16

const maxSegmentBytes = 255

/**
 * Segments of a path such as `/oic/res`, as options. A trailing slash gives an empty last segment.
 *
 * @throws CodedError `malformed-request` for a segment that has no encoding
 */
export function pathOptions(path: string): CoapOption[] {
  const trimmed = path.startsWith('/') ? path.slice(1) : path
  return trimmed === '' ? [] : textOptions(optionNumbers['Uri-Path'], trimmed.split('/'))
}

/** One option for each text. @throws CodedError `malformed-request` for a text over 255 bytes */
export function textOptions(number: number, texts: readonly string[]): CoapOption[] {
  return texts.map((text) => {
    const value = utf8(text)
    if (value.length > maxSegmentBytes) throw new CodedError('malformed-request', 'a part of the address is too long')
    return { number, value }
  })
}
