/**
 * The frame of handshake messages (RFC 6347 section 4.2.2): types, the 12-byte header, fragments in a record.
 */

import { ByteWriter } from '@sallyport/bytes'

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

export function writeHandshakeFragment(into: Uint8Array, offset: number, fragment: HandshakeFragment): void {
  const { bytes } = fragment
  const writer = new ByteWriter(into.subarray(offset, offset + handshakeHeaderLength + bytes.length))
  writer.u8(fragment.type).u24(fragment.length).u16(fragment.messageSequence)
  writer.u24(fragment.offset).u24(bytes.length).bytes(bytes)
}
