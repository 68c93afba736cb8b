/**
 * How long a record may be by agreement: max_fragment_length (RFC 6066 section 4) and record_size_limit (RFC 8449).
 *
 * The former is one of four lengths that the client names for both directions; the latter is what each side says it can
 * take. Where a client offers both, record_size_limit counts and the other is not even looked at (RFC 8449 section 5).
 * record_size_limit counts what is encrypted: in a record with a CID that is the content with its type and padding (RFC
 * 9146 section 4). max_fragment_length knows nothing of these: we count them in what we write and not in what we read.
 *
 * RFC 8449 section 4 leaves records in the clear out. We keep to the limit there too, and send no datagram of a handshake
 * that is much longer: whoever limits its records has buffers to match, and GnuTLS drops what does not fit them. A record
 * in the clear that we receive is not measured, as it is anyone's.
 */

import { ByteReader, type ByteWriter } from '@sallyport/bytes'
import { type Extensions, extensionTypes, writeExtension } from './extension.ts'
import { HandshakeFault } from './handshake-fault.ts'
import { maxPlaintextLength } from './record.ts'

/** Bytes of plaintext that max_fragment_length can ask for, in the order of their codes from 1 (RFC 6066 section 4). */
export const maxFragmentLengths = [512, 1024, 2048, 4096] as const

export type MaxFragmentLength = (typeof maxFragmentLengths)[number]

/** RFC 8449 section 4 */
export const minRecordSizeLimit = 64

/** What a hello says of it, offer or answer; each undefined where its extension is absent. */
export interface RecordSizeExtensions {
  readonly maxFragmentLength?: MaxFragmentLength | undefined
  /** Bytes that the sender takes in a protected record. */
  readonly recordSizeLimit?: number | undefined
}

/** Bytes of what goes into a record, the inner type of one with a CID included. */
export interface RecordSizes {
  /** What we may write in the clear. */
  readonly plain: number
  /** What we may write protected. */
  readonly write: number
  /** What we take in a protected record; longer ones are dropped. */
  readonly read: number
}

/** Nothing agreed on: the protocol's own limit, with room for the padding of the peer. */
export const unlimitedRecordSizes: RecordSizes = {
  plain: maxPlaintextLength,
  write: maxPlaintextLength,
  read: maxPlaintextLength + 2048,
}

/** @throws CodedError `malformed-bytes`, HandshakeFault for a value that the RFCs forbid */
export function readRecordSizes(extensions: Extensions, side: 'client' | 'server'): RecordSizeExtensions {
  const fragment = extensions.get(extensionTypes.maxFragmentLength)
  const limit = extensions.get(extensionTypes.recordSizeLimit)
  if (limit === undefined) return fragment === undefined ? {} : { maxFragmentLength: readMaxFragmentLength(fragment) }
  // RFC 8449 section 5: a server overlooks the former, a client must not be answered with both.
  if (side === 'server' && fragment !== undefined) {
    throw new HandshakeFault('record-size-illegal', 'max_fragment_length and record_size_limit in one answer')
  }
  return { recordSizeLimit: readRecordSizeLimit(limit) }
}

function readMaxFragmentLength(body: Uint8Array): MaxFragmentLength {
  const reader = new ByteReader(body)
  const code = reader.u8()
  reader.expectEnd()
  const length = maxFragmentLengths[code - 1]
  if (length === undefined) throw new HandshakeFault('record-size-illegal', `max_fragment_length code ${code}`)
  return length
}

function readRecordSizeLimit(body: Uint8Array): number {
  const reader = new ByteReader(body)
  const limit = reader.u16()
  reader.expectEnd()
  if (limit < minRecordSizeLimit) throw new HandshakeFault('record-size-illegal', `a record size limit of ${limit}`)
  return limit
}

export function writeRecordSizes(
  writer: ByteWriter,
  { maxFragmentLength, recordSizeLimit }: RecordSizeExtensions,
): void {
  if (maxFragmentLength !== undefined) {
    const code = maxFragmentLengths.indexOf(maxFragmentLength) + 1
    writeExtension(writer, extensionTypes.maxFragmentLength, (body) => body.u8(code))
  }
  if (recordSizeLimit !== undefined) {
    writeExtension(writer, extensionTypes.recordSizeLimit, (body) => body.u16(recordSizeLimit))
  }
}

/** The server's answer to an offer: the same length, or our own limit; nothing to a client that asks for nothing. */
export function answerRecordSizes(offer: RecordSizeExtensions): RecordSizeExtensions {
  return offer.recordSizeLimit === undefined ? offer : { recordSizeLimit: maxPlaintextLength }
}

/** What the two sides have settled on. */
export function settleRecordSizes(ours: RecordSizeExtensions, theirs: RecordSizeExtensions): RecordSizes {
  if (ours.recordSizeLimit !== undefined && theirs.recordSizeLimit !== undefined) {
    const write = Math.min(theirs.recordSizeLimit, maxPlaintextLength)
    return { plain: write, write, read: ours.recordSizeLimit }
  }
  const { maxFragmentLength: length } = theirs
  return length === undefined ? unlimitedRecordSizes : { plain: length, write: length, read: length + innerTypeLength }
}

const innerTypeLength = 1

/** The client's check of the answer, and what follows from it. @throws HandshakeFault */
export function requireRecordSizes(offer: RecordSizeExtensions, answer: RecordSizeExtensions): RecordSizes {
  if (answer.recordSizeLimit !== undefined && offer.recordSizeLimit === undefined) {
    throw new HandshakeFault('extension-unsolicited', 'record_size_limit was not offered')
  }
  if (answer.maxFragmentLength !== undefined && offer.maxFragmentLength === undefined) {
    throw new HandshakeFault('extension-unsolicited', 'max_fragment_length was not offered')
  }
  if (answer.maxFragmentLength !== undefined && answer.maxFragmentLength !== offer.maxFragmentLength) {
    throw new HandshakeFault('record-size-illegal', 'the server answers with another max_fragment_length')
  }
  return settleRecordSizes(offer, answer)
}

/** @throws RangeError for what no hello may say: a mistake of the caller */
export function requireRecordSizeOffer(offer: RecordSizeExtensions): RecordSizeExtensions {
  const { maxFragmentLength, recordSizeLimit: limit } = offer
  if (maxFragmentLength !== undefined && !maxFragmentLengths.includes(maxFragmentLength)) {
    throw new RangeError(`a fragment length of ${maxFragmentLength} cannot be asked for`)
  }
  if (limit !== undefined && (!Number.isInteger(limit) || limit < minRecordSizeLimit || limit > maxPlaintextLength)) {
    throw new RangeError(`a record size limit of ${limit} is not between ${minRecordSizeLimit} and 16384`)
  }
  return offer
}
