/**
 * The record layer's header (RFC 6347 section 4.1, with a connection ID RFC 9146 section 4): content types, versions,
 * and finding records in a datagram.
 *
 * It checks only shape. What does not parse is noise: the rest of the datagram is given up, nobody is told
 * (RFC 6347 section 4.1.2.7).
 */

import { noConnectionId } from './connection-id.ts'

export const contentTypes = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
  /** RFC 9853 */
  returnRoutabilityCheck: 27,
} as const

export type ContentType = (typeof contentTypes)[keyof typeof contentTypes]

/** The outer type of a record with a CID; the type of its content is inside, protected (RFC 9146 section 4). */
export const connectionIdRecordType = 25

export const versions = { dtls10: 0xfeff, dtls12: 0xfefd } as const

/** type(1) version(2) epoch(2) sequence(6) length(2); a CID stands before the length and makes it longer. */
export const recordHeaderLength = 13

export const maxSequence = 2 ** 48 - 1

/** RFC 5246 section 6.2.1 */
export const maxPlaintextLength = 2 ** 14

/** What protection may add (RFC 5246 section 6.2.3). */
const maxFragmentLength = maxPlaintextLength + 2048

/** A record in a datagram. The views end with the datagram's buffer. */
export interface RecordView {
  readonly type: number
  readonly version: number
  readonly epoch: number
  readonly sequence: number
  /** Empty unless the type is that of records with a CID. */
  readonly connectionId: Uint8Array
  /** Protected in an epoch above 0. */
  readonly fragment: Uint8Array
  /** Header and fragment. */
  readonly whole: Uint8Array
}

/**
 * A received datagram as what its type says. Node hands out a Buffer, whose `slice` is a view and not a copy: what we
 * mean to keep would change with the next datagram.
 */
export const datagramView = ({ buffer, byteOffset, length }: Uint8Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, length)

/**
 * The record at `offset`, or undefined when none can be read there: what is left is noise.
 *
 * @param connectionIdLength of the CIDs that we have given out, which a record does not say; 0: we have given none
 */
export function readRecord(datagram: Uint8Array, offset: number, connectionIdLength = 0): RecordView | undefined {
  const hasConnectionId = datagram[offset] === connectionIdRecordType
  if (hasConnectionId && connectionIdLength === 0) return undefined
  const lengthOffset = hasConnectionId ? 11 + connectionIdLength : 11
  const body = offset + lengthOffset + 2
  if (body > datagram.length) return undefined
  const byte = (index: number): number => datagram[offset + index] as number
  const version = (byte(1) << 8) | byte(2)
  const length = (byte(lengthOffset) << 8) | byte(lengthOffset + 1)
  if (version >> 8 !== 0xfe || length > maxFragmentLength || body + length > datagram.length) return undefined
  const high = (byte(5) << 16) | (byte(6) << 8) | byte(7)
  const low = (byte(8) << 16) | (byte(9) << 8) | byte(10)
  return {
    type: byte(0),
    version,
    epoch: (byte(3) << 8) | byte(4),
    sequence: high * 0x1000000 + low,
    connectionId: hasConnectionId ? datagram.subarray(offset + 11, offset + lengthOffset) : noConnectionId,
    fragment: datagram.subarray(body, body + length),
    whole: datagram.subarray(offset, body + length),
  }
}

/** In a buffer of its own, to be kept. */
export function copyRecord(record: RecordView): RecordView {
  const whole = record.whole.slice()
  const fragment = whole.subarray(whole.length - record.fragment.length)
  return { ...record, connectionId: record.connectionId.slice(), fragment, whole }
}

export interface RecordHeader {
  readonly type: ContentType | typeof connectionIdRecordType
  readonly epoch: number
  readonly sequence: number
  /** Absent or empty: none. */
  readonly connectionId?: Uint8Array
  /** Of the fragment as it travels. */
  readonly length: number
}

/** Writes a header of DTLS 1.2 at `offset`. */
export function writeRecordHeader(into: Uint8Array, offset: number, header: RecordHeader): void {
  const { connectionId = noConnectionId } = header
  into[offset] = header.type
  into[offset + 1] = versions.dtls12 >> 8
  into[offset + 2] = versions.dtls12 & 0xff
  writeEpochAndSequence(into, offset + 3, header.epoch, header.sequence)
  into.set(connectionId, offset + 11)
  into[offset + 11 + connectionId.length] = header.length >> 8
  into[offset + 12 + connectionId.length] = header.length
}

/** The eight bytes that number a record within an association: epoch(2) ‖ sequence(6). */
export function writeEpochAndSequence(into: Uint8Array, offset: number, epoch: number, sequence: number): void {
  // Shifts work on 32 bits: the 48-bit number is split by division.
  const high = Math.floor(sequence / 0x1000000)
  const low = sequence - high * 0x1000000
  into[offset] = epoch >> 8
  into[offset + 1] = epoch
  into[offset + 2] = high >> 16
  into[offset + 3] = high >> 8
  into[offset + 4] = high
  into[offset + 5] = low >> 16
  into[offset + 6] = low >> 8
  into[offset + 7] = low
}
