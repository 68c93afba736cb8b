/**
 * The record layer's header (RFC 6347 section 4.1): content types, versions, and finding records in a datagram.
 *
 * It checks only shape. What does not parse is noise: the rest of the datagram is given up, nobody is told
 * (RFC 6347 section 4.1.2.7).
 */

export const contentTypes = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
} as const

export type ContentType = (typeof contentTypes)[keyof typeof contentTypes]

export const versions = { dtls10: 0xfeff, dtls12: 0xfefd } as const

/** type(1) version(2) epoch(2) sequence(6) length(2) */
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
  /** Protected in an epoch above 0. */
  readonly fragment: Uint8Array
  /** Header and fragment. */
  readonly whole: Uint8Array
}

/** The record at `offset`, or undefined when none can be read there: what is left is noise. */
export function readRecord(datagram: Uint8Array, offset: number): RecordView | undefined {
  const body = offset + recordHeaderLength
  if (body > datagram.length) return undefined
  const byte = (index: number): number => datagram[offset + index] as number
  const version = (byte(1) << 8) | byte(2)
  const length = (byte(11) << 8) | byte(12)
  if (version >> 8 !== 0xfe || length > maxFragmentLength || body + length > datagram.length) return undefined
  const high = (byte(5) << 16) | (byte(6) << 8) | byte(7)
  const low = (byte(8) << 16) | (byte(9) << 8) | byte(10)
  return {
    type: byte(0),
    version,
    epoch: (byte(3) << 8) | byte(4),
    sequence: high * 0x1000000 + low,
    fragment: datagram.subarray(body, body + length),
    whole: datagram.subarray(offset, body + length),
  }
}

export interface RecordHeader {
  readonly type: ContentType
  readonly epoch: number
  readonly sequence: number
  /** Of the fragment as it travels. */
  readonly length: number
}

/** Writes a header of DTLS 1.2 at `offset`. */
export function writeRecordHeader(into: Uint8Array, offset: number, header: RecordHeader): void {
  into[offset] = header.type
  into[offset + 1] = versions.dtls12 >> 8
  into[offset + 2] = versions.dtls12 & 0xff
  writeEpochAndSequence(into, offset + 3, header.epoch, header.sequence)
  into[offset + 11] = header.length >> 8
  into[offset + 12] = header.length
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
