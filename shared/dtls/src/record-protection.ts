/**
 * Protection of records as a port, with one implementation on node:crypto (RFC 5246 section 6.2.3.3, RFC 6655,
 * RFC 5288; with a connection ID RFC 9146 section 5.3). The explicit nonce is the record's epoch and sequence number, never random: it cannot repeat under a key
 * as long as no number does, and numbers are handed out in one place (`epoch.ts`).
 */

import { Ccm } from './ccm.ts'
import { type CipherSuite, cipherSuites } from './cipher-suite.ts'
import { noConnectionId } from './connection-id.ts'
import type { TrafficKeys } from './key-schedule.ts'
import { OneShotAead } from './one-shot-aead.ts'
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

/** Seals and opens under one key, whatever is around the ciphertext. */
export interface Aead {
  /** Writes ciphertext and tag at `offset`; the plaintext may stand there. @param nonce of 12 bytes, never used before */
  seal(nonce: Uint8Array, additionalData: Uint8Array, plaintext: Uint8Array, into: Uint8Array, offset: number): void
  /** What was sealed, in a buffer of its own; undefined when its tag is wrong. @param sealed with its tag, from `start` on */
  open(nonce: Uint8Array, additionalData: Uint8Array, sealed: Uint8Array, start: number): Uint8Array | undefined
}

class NodeRecordProtection implements RecordProtection {
  readonly overhead: number
  readonly #suite: CipherSuite
  readonly #keys: TrafficKeys
  readonly #connectionId: Uint8Array
  /** Made for the first record, and kept as long as others are not more in use; one that rests does without. */
  #aead: Aead | undefined

  constructor(suite: CipherSuite, keys: TrafficKeys, connectionId: Uint8Array) {
    this.#suite = suite
    this.#keys = keys
    this.#connectionId = connectionId
    const { length } = connectionId
    this.overhead = recordHeaderLength + length + explicitNonceLength + (length === 0 ? 0 : 1) + suite.tagLength
  }

  dropAead(): void {
    this.#aead = undefined
  }

  seal(record: PlainRecord, into: Uint8Array, offset: number): number {
    const { epoch, sequence } = record
    const connectionId = this.#connectionId
    const whole = this.overhead + record.plaintext.length
    const headerLength = recordHeaderLength + connectionId.length
    const body = offset + headerLength
    const type = connectionId.length === 0 ? record.type : connectionIdRecordType
    writeRecordHeader(into, offset, { type, epoch, sequence, connectionId, length: whole - headerLength })
    writeEpochAndSequence(into, body, epoch, sequence)
    const content = body + explicitNonceLength
    const plaintext = this.#writeInnerType(record, into, content, offset + whole - this.#suite.tagLength)
    const additionalData = this.#prepare(type, into, body, into, body, plaintext.length)
    this.#liveAead().seal(nonce, additionalData, plaintext, into, content)
    return whole
  }

  contentLength({ fragment }: RecordView): number {
    return fragment.length - explicitNonceLength - this.#suite.tagLength
  }

  open(record: RecordView): Uint8Array | undefined {
    const { fragment, version, type, whole } = record
    const length = this.contentLength(record)
    if (length < 0 || version !== versions.dtls12) return undefined
    // RFC 6655 and 5288 let a sender choose its explicit nonce, so it is read from the record, not from the header.
    const additionalData = this.#prepare(type, fragment, 0, whole, 3, length)
    return this.#liveAead().open(nonce, additionalData, fragment, explicitNonceLength)
  }

  /** What is to be sealed: one piece, so content and inner type are put together where they will stand. */
  #writeInnerType({ plaintext, type }: PlainRecord, into: Uint8Array, content: number, tag: number): Uint8Array {
    if (this.#connectionId.length === 0) return plaintext
    into.set(plaintext, content)
    into[tag - 1] = type
    return into.subarray(content, tag)
  }

  /** Nonce: salt ‖ explicit nonce. Answers the additional data, with the numbers of the record. */
  #prepare(
    type: number,
    explicitNonce: Uint8Array,
    explicitNonceAt: number,
    numbers: Uint8Array,
    numbersFrom: number,
    plaintextLength: number,
  ): Uint8Array {
    const { bytes, numbersAt, typeAt, connectionIdAt } = additionalDataFor(this.#connectionId.length)
    const { salt } = this.#keys
    nonce[0] = salt >>> 24
    nonce[1] = salt >>> 16
    nonce[2] = salt >>> 8
    nonce[3] = salt
    for (let index = 0; index < explicitNonceLength; index += 1) {
      nonce[4 + index] = explicitNonce[explicitNonceAt + index] as number
      bytes[numbersAt + index] = numbers[numbersFrom + index] as number
    }
    bytes.set(this.#connectionId, connectionIdAt)
    bytes[typeAt] = type
    bytes[bytes.length - 2] = plaintextLength >> 8
    bytes[bytes.length - 1] = plaintextLength
    return bytes
  }

  /** The first record of a key may be its last for long: only a second one is worth contexts that stay. */
  #liveAead(): Aead {
    let aead = this.#aead
    if (aead === undefined) {
      inUse[nextInUse]?.dropAead()
      inUse[nextInUse] = this
      nextInUse = (nextInUse + 1) % mostInUse
      aead = new OneShotAead(this.#suite, this.#keys.key)
    } else if (aead instanceof OneShotAead && this.#suite.aead === 'aes-128-ccm') {
      aead = new Ccm(aead.key, this.#suite.tagLength)
    }
    this.#aead = aead
    return aead
  }
}

/**
 * Those that have their key imported, in the order of the imports; the oldest gives way. That takes one to three kilobytes, too much
 * for each of ten thousand associations that rest, and 2 µs, little for one that wakes up.
 */
const mostInUse = 2048
const inUse: NodeRecordProtection[] = []
let nextInUse = 0

// Sealing and opening never suspend, so what they prepare has one place for all.

const nonce = new Uint8Array(12)

/** A record fills in its numbers, its type, its CID and, at the end, the length of its plaintext. */
interface AdditionalData {
  readonly bytes: Uint8Array
  readonly numbersAt: number
  readonly typeAt: number
  readonly connectionIdAt: number
}

/** By the length of the CID: there are few. */
const additionalData: AdditionalData[] = []

function additionalDataFor(connectionIdLength: number): AdditionalData {
  additionalData[connectionIdLength] ??=
    connectionIdLength === 0 ? plainAdditionalData() : connectionIdAdditionalData(connectionIdLength)
  return additionalData[connectionIdLength]
}

/** numbers(8) ‖ type(1) ‖ version(2) ‖ length(2): RFC 5246 section 6.2.3.3 */
function plainAdditionalData(): AdditionalData {
  const bytes = new Uint8Array(13)
  bytes.set([versions.dtls12 >> 8, versions.dtls12 & 0xff], 9)
  return { bytes, numbersAt: 0, typeAt: 8, connectionIdAt: 11 }
}

/** 8 × FF ‖ type(1) ‖ length of the CID(1) ‖ type(1) ‖ version(2) ‖ numbers(8) ‖ CID ‖ length(2): RFC 9146 section 5.3 */
function connectionIdAdditionalData(connectionIdLength: number): AdditionalData {
  const bytes = new Uint8Array(23 + connectionIdLength)
  bytes.fill(0xff, 0, 8)
  bytes.set([connectionIdRecordType, connectionIdLength, connectionIdRecordType], 8)
  bytes.set([versions.dtls12 >> 8, versions.dtls12 & 0xff], 11)
  return { bytes, numbersAt: 13, typeAt: 10, connectionIdAt: 21 }
}
