/**
 * CoAP messages on a reliable byte stream, as TLS is: framing, parsing, encoding (RFC 8323 section 3.2).
 *
 * ```
 *   length 4 bits | token length 4 bits | extended length 0, 1, 2 or 4 bytes | code | token | options | payload
 * ```
 *
 * The length counts options and payload. There is no version, no type and no Message ID. Parsing copies nothing, as with
 * datagrams; what makes frames of what the stream brings is `message-stream.ts`.
 */

import type { CoapContent, CoapOption } from './message-codec.ts'
import { contentBytes, inOrder, maxTokenLength, noBytes, parseContent, writeContent } from './message-codec.ts'

export interface Frame {
  /** Up to the code, without it. */
  readonly headerBytes: number
  readonly tokenLength: number
  /** Options and payload. Said by the peer, up to 4 GB. */
  readonly contentLength: number
  /** From the first byte to the last. */
  readonly totalBytes: number
}

/** Extended lengths begin where the shorter forms end. */
const firstOf1Byte = 13
const firstOf2Bytes = 269
const firstOf4Bytes = 65_805

/** Bytes that tell how long a frame is, its first one included. */
export function frameHeaderBytes(first: number): number {
  const length = first >> 4
  return length < 13 ? 1 : length === 13 ? 2 : length === 14 ? 3 : 5
}

/** Reads the beginning of a frame. @param view from its first byte, with at least `frameHeaderBytes` */
export function readFrame(view: Uint8Array, at: number): Frame {
  const first = view[at] as number
  const headerBytes = frameHeaderBytes(first)
  const tokenLength = first & 15
  let extended = 0
  for (let index = at + 1; index < at + headerBytes; index++) extended = extended * 256 + (view[index] as number)
  const contentLength =
    headerBytes === 1
      ? first >> 4
      : extended + ([0, 0, firstOf1Byte, firstOf2Bytes, 0, firstOf4Bytes][headerBytes] ?? 0)
  return { headerBytes, tokenLength, contentLength, totalBytes: headerBytes + 1 + tokenLength + contentLength }
}

/** Parses one whole frame. Never throws. @returns a text that says why it is no message */
export function parseFrame(view: Uint8Array, { headerBytes, tokenLength }: Frame): CoapContent | string {
  if (tokenLength > maxTokenLength) return 'reserved token length'
  const code = view[headerBytes] as number
  const tokenAt = headerBytes + 1
  const token = tokenLength === 0 ? noBytes : view.subarray(tokenAt, tokenAt + tokenLength)
  const options: CoapOption[] = []
  const payload = parseContent(view, tokenAt + tokenLength, options)
  return typeof payload === 'string' ? payload : { code, token, options, payload }
}

/** What `encodeFrame` would make, without token. @param options in any order */
export function frameBytes({ token, options, payload }: CoapContent): number {
  return 6 + token.length + contentBytes(inOrder(options), payload)
}

/**
 * Encodes a message with its frame. Options may come in any order of numbers; equal numbers keep their order.
 *
 * @throws RangeError for what has no encoding: a token over 8 bytes, a frame over `maxBytes`. That is a fault of ours.
 */
export function encodeFrame({ code, token, options, payload }: CoapContent, maxBytes: number): Uint8Array {
  if (token.length > maxTokenLength) throw new RangeError(`a token of ${token.length} bytes`)
  const ordered = inOrder(options)
  const length = contentBytes(ordered, payload)
  const headerBytes = length < firstOf1Byte ? 1 : length < firstOf2Bytes ? 2 : length < firstOf4Bytes ? 3 : 5
  const total = headerBytes + 1 + token.length + length
  if (total > maxBytes) throw new RangeError(`a message of ${total} bytes, and the peer takes ${maxBytes}`)
  const frame = new Uint8Array(total)
  const nibble = headerBytes === 1 ? length : headerBytes === 5 ? 15 : 11 + headerBytes
  frame[0] = (nibble << 4) | token.length
  let extended =
    length -
    (headerBytes === 2 ? firstOf1Byte : headerBytes === 3 ? firstOf2Bytes : headerBytes === 5 ? firstOf4Bytes : 0)
  for (let index = headerBytes - 1; index > 0; index--) {
    frame[index] = extended
    extended = Math.floor(extended / 256)
  }
  frame[headerBytes] = code
  frame.set(token, headerBytes + 1)
  writeContent(ordered, payload, frame, headerBytes + 1 + token.length)
  return frame
}
