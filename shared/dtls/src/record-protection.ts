/**
 * Protection of records as a port, with one implementation on node:crypto (RFC 5246 section 6.2.3.3, RFC 6655,
 * RFC 5288; with a connection ID RFC 9146 section 5.3). The explicit nonce is the record's epoch and sequence number, never random: it cannot repeat under a key
 * as long as no number does, and numbers are handed out in one place (`epoch.ts`).
 */

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { type CipherSuite, cipherSuites } from './cipher-suite.ts'
import { noConnectionId } from './connection-id.ts'
import type { TrafficKeys } from './key-schedule.ts'
import {
  type ContentType,
  connectionIdRecordType,
  type RecordView,
  recordHeaderLength,
  versions,
  writeEpochAndSequence,
  writeRecordHeader,
} from './record.ts'

/** Protects the records of one direction and epoch; made from traffic keys, kept as long as they are in use. */
export interface RecordProtection {
  /** What a sealed record has beyond its plaintext: header, explicit nonce and tag; the CID and the inner type. */
  readonly overhead: number
  /** Writes one whole record at `offset`; answers its length. The caller never passes a number twice. */
  seal(record: PlainRecord, into: Uint8Array, offset: number): number
  /** Bytes that were sealed, as the record says before it is opened; negative for one that is too short. */
  contentLength(record: RecordView): number
  /**
   * What was sealed, in a buffer of its own; undefined when the record is not authentic. Where records have a CID, that
   * the record carries the right one is for the caller to check, and what was sealed ends with its type and padding.
   */
  open(record: RecordView): Uint8Array | undefined
}

export interface PlainRecord {
  readonly type: ContentType
  readonly epoch: number
  readonly sequence: number
  readonly plaintext: Uint8Array
}

/** @param connectionId in each record of this direction; absent or empty: none */
export type ProtectRecords = (keys: TrafficKeys, connectionId?: Uint8Array) => RecordProtection

const explicitNonceLength = 8

export const protectWithNodeCrypto: ProtectRecords = (keys, connectionId = noConnectionId) =>
  new NodeRecordProtection(cipherSuites[keys.cipherSuite], keys, connectionId)

class NodeRecordProtection implements RecordProtection {
  readonly overhead: number
  readonly #suite: CipherSuite
  /** Imported once: raw bytes would be imported anew for each record, at four times the cost. */
  readonly #key: KeyObject
  readonly #nonce: Uint8Array
  readonly #connectionId: Uint8Array
  readonly #headerLength: number
  readonly #additionalData: AdditionalData

  constructor(suite: CipherSuite, keys: TrafficKeys, connectionId: Uint8Array) {
    this.#suite = suite
    this.#connectionId = connectionId
    this.#headerLength = recordHeaderLength + connectionId.length
    this.#additionalData = connectionId.length === 0 ? plainAdditionalData() : connectionIdAdditionalData(connectionId)
    this.#key = createSecretKey(keys.key)
    this.#nonce = new Uint8Array(12)
    this.#nonce.set(keys.salt)
    const innerTypeLength = connectionId.length === 0 ? 0 : 1
    this.overhead = this.#headerLength + explicitNonceLength + innerTypeLength + suite.tagLength
  }

  seal(record: PlainRecord, into: Uint8Array, offset: number): number {
    const { epoch, sequence } = record
    const { tagLength: authTagLength, aead } = this.#suite
    const connectionId = this.#connectionId
    const whole = this.overhead + record.plaintext.length
    const body = offset + this.#headerLength
    const type = connectionId.length === 0 ? record.type : connectionIdRecordType
    writeRecordHeader(into, offset, { type, epoch, sequence, connectionId, length: whole - this.#headerLength })
    writeEpochAndSequence(into, body, epoch, sequence)
    const content = body + explicitNonceLength
    const tag = offset + whole - authTagLength
    const plaintext = this.#writeInnerType(record, into, content, tag)
    this.#prepare(type, into.subarray(body, content), plaintext.length)
    const cipher =
      aead === 'aes-128-ccm'
        ? createCipheriv(aead, this.#key, this.#nonce, { authTagLength })
        : createCipheriv(aead, this.#key, this.#nonce, { authTagLength })
    cipher.setAAD(this.#additionalData.bytes, { plaintextLength: plaintext.length })
    into.set(cipher.update(plaintext), content)
    cipher.final()
    into.set(cipher.getAuthTag(), tag)
    return whole
  }

  contentLength({ fragment }: RecordView): number {
    return fragment.length - explicitNonceLength - this.#suite.tagLength
  }

  open(record: RecordView): Uint8Array | undefined {
    const { tagLength: authTagLength, aead } = this.#suite
    const { fragment } = record
    const length = this.contentLength(record)
    if (length < 0 || record.version !== versions.dtls12) return undefined
    this.#prepare(record.type, record.whole.subarray(3, 11), length)
    // RFC 6655 and 5288 let a sender choose its explicit nonce, so it is read from the record, not from the header.
    this.#nonce.set(fragment.subarray(0, explicitNonceLength), 4)
    const decipher =
      aead === 'aes-128-ccm'
        ? createDecipheriv(aead, this.#key, this.#nonce, { authTagLength })
        : createDecipheriv(aead, this.#key, this.#nonce, { authTagLength })
    decipher.setAuthTag(fragment.subarray(explicitNonceLength + length))
    decipher.setAAD(this.#additionalData.bytes, { plaintextLength: length })
    try {
      const plaintext = decipher.update(fragment.subarray(explicitNonceLength, explicitNonceLength + length))
      decipher.final()
      return plaintext
    } catch {
      // node:crypto's only way to say that the tag is wrong.
      return undefined
    }
  }

  /** What is to be sealed. CCM takes it in one piece, so content and inner type are put together where they will stand. */
  #writeInnerType({ plaintext, type }: PlainRecord, into: Uint8Array, content: number, tag: number): Uint8Array {
    if (this.#connectionId.length === 0) return plaintext
    into.set(plaintext, content)
    into[tag - 1] = type
    return into.subarray(content, tag)
  }

  /** Nonce: salt ‖ numbers. */
  #prepare(type: number, numbers: Uint8Array, plaintextLength: number): void {
    const { bytes, numbersAt, typeAt } = this.#additionalData
    this.#nonce.set(numbers, 4)
    bytes.set(numbers, numbersAt)
    bytes[typeAt] = type
    bytes[bytes.length - 2] = plaintextLength >> 8
    bytes[bytes.length - 1] = plaintextLength
  }
}

/** Made once for each direction; a record fills in its numbers, its type and, at the end, the length of its plaintext. */
interface AdditionalData {
  readonly bytes: Uint8Array
  readonly numbersAt: number
  readonly typeAt: number
}

/** numbers(8) ‖ type(1) ‖ version(2) ‖ length(2): RFC 5246 section 6.2.3.3 */
function plainAdditionalData(): AdditionalData {
  const bytes = new Uint8Array(13)
  bytes.set([versions.dtls12 >> 8, versions.dtls12 & 0xff], 9)
  return { bytes, numbersAt: 0, typeAt: 8 }
}

/** 8 × FF ‖ type(1) ‖ length of the CID(1) ‖ type(1) ‖ version(2) ‖ numbers(8) ‖ CID ‖ length(2): RFC 9146 section 5.3 */
function connectionIdAdditionalData(connectionId: Uint8Array): AdditionalData {
  const bytes = new Uint8Array(23 + connectionId.length)
  bytes.fill(0xff, 0, 8)
  bytes.set([connectionIdRecordType, connectionId.length, connectionIdRecordType], 8)
  bytes.set([versions.dtls12 >> 8, versions.dtls12 & 0xff], 11)
  bytes.set(connectionId, 21)
  return { bytes, numbersAt: 13, typeAt: 10 }
}
