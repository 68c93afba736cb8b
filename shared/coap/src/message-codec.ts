/**
 * CoAP messages over UDP and DTLS: parsing and encoding (RFC 7252 section 3).
 *
 * Parsing copies nothing: token, option values and payload are views into the datagram, valid as long as that is.
 * It checks the format alone; what an option means and whether it is allowed is for its reader.
 */

import { emptyCode } from './code-registry.ts'

/** The two bits of the header. */
export const messageTypes = { confirmable: 0, nonConfirmable: 1, acknowledgement: 2, reset: 3 } as const
export type MessageType = (typeof messageTypes)[keyof typeof messageTypes]

export interface CoapOption {
  readonly number: number
  readonly value: Uint8Array
}

/** What a message says, whatever carries it. */
export interface CoapContent {
  readonly code: number
  readonly token: Uint8Array
  /** In ascending order of their numbers, as they lie on the wire. */
  readonly options: readonly CoapOption[]
  readonly payload: Uint8Array
}

/** A message that may be lost, doubled or overtaken on its way. */
export interface CoapMessage extends CoapContent {
  readonly type: MessageType
  readonly messageId: number
}

export interface ParsedMessage {
  readonly wellFormed: true
  readonly message: CoapMessage
}

export interface MalformedMessage {
  readonly wellFormed: false
  readonly reason: string
  /** What can be rejected with a Reset: absent where the header itself cannot be read or is of another version. */
  readonly rejectable: { readonly type: MessageType; readonly messageId: number } | undefined
}

const version = 1
const payloadMarker = 0xff
export const maxTokenLength = 8
const maxOptionNumber = 0xffff
export const noBytes: Uint8Array = new Uint8Array(0)

/** Parses one datagram. Never throws, whatever the bytes. */
export function parseMessage(view: Uint8Array): ParsedMessage | MalformedMessage {
  if (view.length < 4) return malformed('shorter than a header')
  const first = view[0] as number
  if (first >> 6 !== version) return malformed('unknown version')
  const type = ((first >> 4) & 3) as MessageType
  const code = view[1] as number
  const messageId = ((view[2] as number) << 8) | (view[3] as number)
  const rejectable = { type, messageId }
  const tokenLength = first & 15
  if (tokenLength > maxTokenLength) return malformed('reserved token length', rejectable)
  const at = 4 + tokenLength
  if (at > view.length) return malformed('token past the end', rejectable)
  if (code === emptyCode && view.length !== 4) return malformed('empty message with content', rejectable)
  const token = tokenLength === 0 ? noBytes : view.subarray(4, at)

  const options: CoapOption[] = []
  const payload = parseContent(view, at, options)
  if (typeof payload === 'string') return malformed(payload, rejectable)
  return { wellFormed: true, message: { type, code, messageId, token, options, payload } }
}

/**
 * Reads the options and the payload that follow a token, up to the end of the view. Never throws.
 *
 * @param options are added here
 * @returns the payload; a text says why there is none
 */
export function parseContent(view: Uint8Array, start: number, options: CoapOption[]): Uint8Array | string {
  let at = start
  let number = 0
  while (at < view.length) {
    const head = view[at++] as number
    if (head === payloadMarker) {
      return at === view.length ? 'payload marker without payload' : view.subarray(at)
    }
    let delta = head >> 4
    if (delta === 13) delta = 13 + (view[at++] ?? Number.NaN)
    else if (delta === 14) {
      delta = 269 + ((view[at] ?? Number.NaN) * 256 + (view[at + 1] ?? Number.NaN))
      at += 2
    } else if (delta === 15) return 'reserved option delta'
    let length = head & 15
    if (length === 13) length = 13 + (view[at++] ?? Number.NaN)
    else if (length === 14) {
      length = 269 + ((view[at] ?? Number.NaN) * 256 + (view[at + 1] ?? Number.NaN))
      at += 2
    } else if (length === 15) return 'reserved option length'
    number += delta
    // A read past the end gave NaN, which is neither within the message nor a number of an option.
    if (!(number <= maxOptionNumber)) return 'option number out of range'
    if (!(at + length <= view.length)) return 'option past the end'
    options.push({ number, value: view.subarray(at, at + length) })
    at += length
  }
  return noBytes
}

const malformed = (reason: string, rejectable?: MalformedMessage['rejectable']): MalformedMessage => ({
  wellFormed: false,
  reason,
  rejectable,
})

/** The largest message that can be encoded; a datagram of a DTLS record carries no more. */
export const maxMessageBytes = 16_384

// Encoding never suspends, so one buffer serves all: the result is a copy of exactly its size.
const scratch = new Uint8Array(maxMessageBytes)

/**
 * Encodes a message. Options may come in any order of numbers; equal numbers keep their order.
 *
 * @throws RangeError for what has no encoding: a token over 8 bytes, a message over `maxMessageBytes`. That is a fault of ours.
 */
export function encodeMessage(message: CoapMessage): Uint8Array {
  const { token, options, payload } = message
  if (token.length > maxTokenLength) throw new RangeError(`a token of ${token.length} bytes`)
  scratch[0] = (version << 6) | (message.type << 4) | token.length
  scratch[1] = message.code
  scratch[2] = message.messageId >> 8
  scratch[3] = message.messageId
  scratch.set(token, 4)
  const at = 4 + token.length
  const ordered = inOrder(options)
  const length = at + contentBytes(ordered, payload)
  if (length > maxMessageBytes) throw new RangeError(`a message of ${length} bytes`)
  writeContent(ordered, payload, scratch, at)
  return scratch.slice(0, length)
}

/** How long a message is on datagrams. */
export const messageLength = ({ token, options, payload }: Omit<CoapContent, 'code'>): number =>
  4 + token.length + contentBytes(inOrder(options), payload)

/** How many bytes options and payload take. @param options in order */
export function contentBytes(options: readonly CoapOption[], payload: Uint8Array): number {
  let bytes = payload.length === 0 ? 0 : 1 + payload.length
  let previous = 0
  for (const { number, value } of options) {
    bytes += 1 + extendedBytes(number - previous) + extendedBytes(value.length) + value.length
    previous = number
  }
  return bytes
}

/** @param options in order @param target has room for `contentBytes` */
export function writeContent(
  options: readonly CoapOption[],
  payload: Uint8Array,
  target: Uint8Array,
  start: number,
): void {
  let at = start
  let previous = 0
  for (const { number, value } of options) {
    const delta = number - previous
    previous = number
    target[at++] = (nibble(delta) << 4) | nibble(value.length)
    at = writeExtended(delta, target, at)
    at = writeExtended(value.length, target, at)
    target.set(value, at)
    at += value.length
  }
  if (payload.length === 0) return
  target[at++] = payloadMarker
  target.set(payload, at)
}

/** In ascending order of their numbers; equal numbers keep theirs. */
export function inOrder(options: readonly CoapOption[]): readonly CoapOption[] {
  for (let index = 1; index < options.length; index++) {
    if ((options[index] as CoapOption).number < (options[index - 1] as CoapOption).number) {
      return [...options].sort((a, b) => a.number - b.number)
    }
  }
  return options
}

const nibble = (value: number): number => (value < 13 ? value : value < 269 ? 13 : 14)

const extendedBytes = (value: number): number => (value < 13 ? 0 : value < 269 ? 1 : 2)

function writeExtended(value: number, target: Uint8Array, at: number): number {
  if (value < 13) return at
  if (value < 269) {
    target[at] = value - 13
    return at + 1
  }
  target[at] = (value - 269) >> 8
  target[at + 1] = value - 269
  return at + 2
}

/** An empty message: acknowledgement, Reset or ping (RFC 7252 section 4.1). */
export function encodeEmpty(type: MessageType, messageId: number): Uint8Array {
  const bytes = new Uint8Array(4)
  bytes[0] = (version << 6) | (type << 4)
  bytes[2] = messageId >> 8
  bytes[3] = messageId
  return bytes
}

/** An option value of format `uint`: big-endian without leading zeros (RFC 7252 section 3.2). */
export function uintValue(value: number): Uint8Array {
  if (value === 0) return noBytes
  const length = value < 0x100 ? 1 : value < 0x10000 ? 2 : value < 0x1000000 ? 3 : 4
  const bytes = new Uint8Array(length)
  let rest = value
  for (let index = length - 1; index >= 0; index--) {
    bytes[index] = rest
    rest = Math.floor(rest / 256)
  }
  return bytes
}

/** Reads an option value of format `uint`; leading zeros are allowed. @param value at most 4 bytes */
export function readUint(value: Uint8Array): number {
  let number = 0
  for (const byte of value) number = number * 256 + byte
  return number
}
