/** Bytes as text and back, joined, compared. */

import { timingSafeEqual } from 'node:crypto'
import { CodedError } from '@sallyport/errors'

const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

export const toHex = (bytes: Uint8Array): string => view(bytes).toString('hex')

/** @throws CodedError `malformed-bytes` unless the text is pairs of hexadecimal digits. */
export function fromHex(text: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/i.test(text)) throw new CodedError('malformed-bytes', 'not hexadecimal')
  return new Uint8Array(Buffer.from(text, 'hex'))
}

/** Base64url without padding (RFC 4648 section 5). */
export const toBase64Url = (bytes: Uint8Array): string => view(bytes).toString('base64url')

/** @throws CodedError `malformed-bytes` for anything but canonical base64url without padding. */
export function fromBase64Url(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) throw new CodedError('malformed-bytes', 'not canonical base64url')
  return new Uint8Array(bytes)
}

export const toBase64 = (bytes: Uint8Array): string => view(bytes).toString('base64')

/** @throws CodedError `malformed-bytes` for anything but canonical base64 with padding. */
export function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new CodedError('malformed-bytes', 'not canonical base64')
  return new Uint8Array(bytes)
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** @throws CodedError `malformed-bytes` when the bytes are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new CodedError('malformed-bytes', 'not UTF-8', { cause })
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** Equality whose time depends on the lengths alone. */
export const constantTimeEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b)
