/**
 * The frame of handshake messages (RFC 6347 section 4.2.2): types, the 12-byte header, fragments in a record.
 */

export const handshakeTypes = {
  helloRequest: 0,
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  /** RFC 5077 */
  newSessionTicket: 4,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const

export type HandshakeType = (typeof handshakeTypes)[keyof typeof handshakeTypes]

/** type(1) length(3) message_seq(2) fragment_offset(3) fragment_length(3) */
export const handshakeHeaderLength = 12

/** A piece of a message as it stands in a record, or a whole one; a view. */
export interface HandshakeFragment {
  readonly type: number
  /** Of the whole message's body. */
  readonly length: number
  readonly messageSequence: number
  readonly offset: number
  readonly bytes: Uint8Array
}

/** A whole message. */
export interface HandshakeMessage {
  readonly type: number
  readonly messageSequence: number
  readonly body: Uint8Array
}

/** The fragment at `offset` of a handshake record; undefined when it does not fit the record or its own message. */
export function readHandshakeFragment(record: Uint8Array, offset: number): HandshakeFragment | undefined {
  const start = offset + handshakeHeaderLength
  if (start > record.length) return undefined
  const byte = (index: number): number => record[offset + index] as number
  const u24 = (index: number): number => (byte(index) << 16) | (byte(index + 1) << 8) | byte(index + 2)
  const length = u24(1)
  const fragmentOffset = u24(6)
  const fragmentLength = u24(9)
  if (fragmentOffset + fragmentLength > length || start + fragmentLength > record.length) return undefined
  return {
    type: byte(0),
    length,
    messageSequence: (byte(4) << 8) | byte(5),
    offset: fragmentOffset,
    bytes: record.subarray(start, start + fragmentLength),
  }
}

/** Written byte by byte: a handshake writes some thirty of them. @throws RangeError where `into` has no room for it */
export function writeHandshakeFragment(into: Uint8Array, at: number, fragment: HandshakeFragment): void {
  const { type, length, messageSequence, offset, bytes } = fragment
  into.set(bytes, at + handshakeHeaderLength)
  into[at] = type
  writeU24(into, at + 1, length)
  into[at + 4] = messageSequence >> 8
  into[at + 5] = messageSequence
  writeU24(into, at + 6, offset)
  writeU24(into, at + 9, bytes.length)
}

function writeU24(into: Uint8Array, at: number, value: number): void {
  into[at] = value >> 16
  into[at + 1] = value >> 8
  into[at + 2] = value
}
