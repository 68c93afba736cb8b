/**
 * Protection of records as a port, with one implementation on node:crypto (RFC 5246 section 6.2.3.3, RFC 6655,
 * RFC 5288). The explicit nonce is the record's epoch and sequence number, never random: it cannot repeat under a key
 * as long as no number does, and numbers are handed out in one place (`epoch.ts`).
 */

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { type CipherSuite, cipherSuites } from './cipher-suite.ts'
import type { TrafficKeys } from './key-schedule.ts'
import {
  type ContentType,
  type RecordView,
  recordHeaderLength,
  versions,
  writeEpochAndSequence,
  writeRecordHeader,
} from './record.ts'

/** Protects the records of one direction and epoch; made from traffic keys, kept as long as they are in use. */
export interface RecordProtection {
  /** What a sealed record has beyond its plaintext: header, explicit nonce and tag. */
  readonly overhead: number
  /** Writes one whole record at `offset`; answers its length. The caller never passes a number twice. */
  seal(record: PlainRecord, into: Uint8Array, offset: number): number
  /** The plaintext, in a buffer of its own; undefined when the record is not authentic. */
  open(record: RecordView): Uint8Array | undefined
}

export interface PlainRecord {
  readonly type: ContentType
  readonly epoch: number
  readonly sequence: number
  readonly plaintext: Uint8Array
}

export type ProtectRecords = (keys: TrafficKeys) => RecordProtection

const explicitNonceLength = 8

export const protectWithNodeCrypto: ProtectRecords = (keys) =>
  new NodeRecordProtection(cipherSuites[keys.cipherSuite], keys)

class NodeRecordProtection implements RecordProtection {
  readonly overhead: number
  readonly #suite: CipherSuite
  /** Imported once: raw bytes would be imported anew for each record, at four times the cost. */
  readonly #key: KeyObject
  readonly #nonce: Uint8Array
  readonly #additionalData = new Uint8Array(13)

  constructor(suite: CipherSuite, keys: TrafficKeys) {
    this.#suite = suite
    this.#key = createSecretKey(keys.key)
    this.#nonce = new Uint8Array(12)
    this.#nonce.set(keys.salt)
    this.overhead = recordHeaderLength + explicitNonceLength + suite.tagLength
  }

  seal(record: PlainRecord, into: Uint8Array, offset: number): number {
    const { plaintext } = record
    const length = explicitNonceLength + plaintext.length + this.#suite.tagLength
    writeRecordHeader(into, offset, { ...record, length })
    const body = offset + recordHeaderLength
    writeEpochAndSequence(into, body, record.epoch, record.sequence)
    this.#prepare(record.type, into.subarray(body, body + explicitNonceLength), plaintext.length)
    const authTagLength = this.#suite.tagLength
    const { aead } = this.#suite
    const cipher =
      aead === 'aes-128-ccm'
        ? createCipheriv(aead, this.#key, this.#nonce, { authTagLength })
        : createCipheriv(aead, this.#key, this.#nonce, { authTagLength })
    cipher.setAAD(this.#additionalData, { plaintextLength: plaintext.length })
    into.set(cipher.update(plaintext), body + explicitNonceLength)
    cipher.final()
    into.set(cipher.getAuthTag(), body + explicitNonceLength + plaintext.length)
    return recordHeaderLength + length
  }

  open(record: RecordView): Uint8Array | undefined {
    const { tagLength: authTagLength, aead } = this.#suite
    const { fragment } = record
    const length = fragment.length - explicitNonceLength - authTagLength
    if (length < 0 || record.version !== versions.dtls12) return undefined
    this.#prepare(record.type, record.whole.subarray(3, 11), length)
    // RFC 6655 and 5288 let a sender choose its explicit nonce, so it is read from the record, not from the header.
    this.#nonce.set(fragment.subarray(0, explicitNonceLength), 4)
    const decipher =
      aead === 'aes-128-ccm'
        ? createDecipheriv(aead, this.#key, this.#nonce, { authTagLength })
        : createDecipheriv(aead, this.#key, this.#nonce, { authTagLength })
    decipher.setAuthTag(fragment.subarray(explicitNonceLength + length))
    decipher.setAAD(this.#additionalData, { plaintextLength: length })
    try {
      const plaintext = decipher.update(fragment.subarray(explicitNonceLength, explicitNonceLength + length))
      decipher.final()
      return plaintext
    } catch {
      // node:crypto's only way to say that the tag is wrong.
      return undefined
    }
  }

  /** Nonce: salt ‖ numbers. Additional data: numbers ‖ type ‖ version ‖ length of the plaintext. */
  #prepare(type: number, numbers: Uint8Array, plaintextLength: number): void {
    this.#nonce.set(numbers, 4)
    this.#additionalData.set(numbers)
    this.#additionalData[8] = type
    this.#additionalData[9] = versions.dtls12 >> 8
    this.#additionalData[10] = versions.dtls12 & 0xff
    this.#additionalData[11] = plaintextLength >> 8
    this.#additionalData[12] = plaintextLength
  }
}
