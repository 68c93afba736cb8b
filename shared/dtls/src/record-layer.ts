/**
 * The record layer of one association: epoch 0 in the clear, epoch 1 protected. It writes records, opens records, and
 * keeps what is about an association's records as plain data in `state`; contexts of the ciphers are made from it.
 *
 * One epoch of protection is all there is, since nobody renegotiates.
 */

import type { AssociationState } from './association-state.ts'
import { cipherSuites } from './cipher-suite.ts'
import { noConnectionId, sameConnectionId } from './connection-id.ts'
import { createReadEpoch, createWriteEpoch, type ReadEpoch, takeSequence, type WriteEpoch } from './epoch.ts'
import type { RecordWriter } from './flight.ts'
import type { TrafficKeys } from './key-schedule.ts'
import type { DiscardReason } from './output.ts'
import {
  type ContentType,
  maxPlaintextLength,
  maxSequence,
  type RecordView,
  recordHeaderLength,
  writeRecordHeader,
} from './record.ts'
import type { ProtectRecords, RecordProtection } from './record-protection.ts'
import { type RecordSizes, unlimitedRecordSizes } from './record-size.ts'
import { commit, commitAllUpTo, isFresh } from './replay-window.ts'

export interface RecordLayerState {
  /** Numbers of our records in epoch 0. */
  readonly plain: { nextSequence: number; readonly lastSequence: number }
  write: WriteEpoch | undefined
  read: ReadEpoch | undefined
  sizes: RecordSizes
}

export type Opened =
  | {
      readonly accepted: true
      readonly type: number
      readonly plaintext: Uint8Array
      /** No record was seen with a higher number: it is not held back and sent again by somebody else. */
      readonly isNewest: boolean
    }
  | { readonly accepted: false; readonly reason: DiscardReason }

export const protectedEpoch = 1

/** No record number is left: the association must end before a number would repeat. */
export class SequenceExhausted extends Error {}

export class RecordLayer implements RecordWriter {
  readonly state: RecordLayerState
  readonly #protect: ProtectRecords
  #sealer: RecordProtection | undefined
  #opener: RecordProtection | undefined

  /** @param firstSequence of our records in epoch 0: a server continues the number of the ClientHello */
  constructor(protect: ProtectRecords, firstSequence: number, sizes: RecordSizes = unlimitedRecordSizes) {
    this.#protect = protect
    this.state = {
      plain: { nextSequence: firstSequence, lastSequence: maxSequence },
      write: undefined,
      read: undefined,
      sizes,
    }
  }

  /**
   * The records of an association that another process has had. Its numbers begin where no other generation's reach.
   *
   * @param recordMark the newest number of the peer that is known to have had an effect, -1 for none
   */
  static resume(protect: ProtectRecords, from: AssociationState, generation: number, recordMark: number): RecordLayer {
    const records = new RecordLayer(protect, from.nextPlainSequence, from.sizes)
    const { write, read } = from
    records.state.write = createWriteEpoch(protectedEpoch, write.keys, write.connectionId, generation)
    records.#sealer = protect(write.keys, write.connectionId)
    records.state.read = { epoch: protectedEpoch, ...read, window: { ...read.window } }
    records.#opener = protect(read.keys, read.connectionId)
    commitAllUpTo(records.state.read.window, recordMark)
    return records
  }

  get reads(): boolean {
    return this.state.read !== undefined
  }

  /** What stands in each record that we read; empty before there are keys, and where no CID was agreed on. */
  get connectionId(): Uint8Array {
    return this.state.read?.connectionId ?? noConnectionId
  }

  installWriteKeys(keys: TrafficKeys, connectionId = noConnectionId): void {
    this.state.write = createWriteEpoch(protectedEpoch, keys, connectionId)
    this.#sealer = this.#protect(keys, connectionId)
  }

  installReadKeys(keys: TrafficKeys, connectionId = noConnectionId): void {
    this.state.read = createReadEpoch(protectedEpoch, keys, connectionId)
    this.#opener = this.#protect(keys, connectionId)
  }

  /** From now on, in this and every later epoch. */
  agreeOn(sizes: RecordSizes): void {
    this.state.sizes = sizes
  }

  /** The inner type of a record with a CID counts. */
  maxPlaintext(epoch: number): number {
    const { sizes, write } = this.state
    return epoch === 0 ? sizes.plain : sizes.write - innerTypeLength(write)
  }

  /** Longest plaintext of a protected record, either way; once there are keys both ways. */
  get maxMessageBytes(): number {
    const { sizes, read } = this.state
    return Math.min(this.maxPlaintext(protectedEpoch), sizes.read - innerTypeLength(read), maxPlaintextLength)
  }

  overhead(epoch: number): number {
    return epoch === 0 || this.#sealer === undefined ? recordHeaderLength : this.#sealer.overhead
  }

  /** @throws SequenceExhausted */
  write(epoch: number, type: ContentType, plaintext: Uint8Array, into: Uint8Array, offset: number): number {
    if (epoch === 0) {
      const sequence = this.#take(this.state.plain)
      writeRecordHeader(into, offset, { type, epoch, sequence, length: plaintext.length })
      into.set(plaintext, offset + recordHeaderLength)
      return recordHeaderLength + plaintext.length
    }
    const { write } = this.state
    if (write === undefined || this.#sealer === undefined) throw new Error('there are no keys to write with')
    return this.#sealer.seal({ type, epoch, sequence: this.#take(write), plaintext }, into, offset)
  }

  /**
   * One record in a datagram of its own, in the newest epoch.
   *
   * @throws SequenceExhausted
   * @throws RangeError for more plaintext than the peer takes in a record, which every caller knows
   */
  seal(type: ContentType, plaintext: Uint8Array): Uint8Array {
    const epoch = this.state.write === undefined ? 0 : protectedEpoch
    const most = this.maxPlaintext(epoch)
    if (plaintext.length > most) {
      throw new RangeError(`${plaintext.length} bytes do not fit a record of at most ${most}`)
    }
    const datagram = Buffer.allocUnsafe(this.overhead(epoch) + plaintext.length)
    this.write(epoch, type, plaintext, datagram, 0)
    return datagram
  }

  /**
   * Opens a protected record. The window is looked at before authentication and changed only after it.
   *
   * Inside a record with a CID the content is followed by its type, and that by zeros (RFC 9146 section 4): zeros alone
   * are authentic but no content.
   */
  open(record: RecordView): Opened {
    const { read } = this.state
    if (read === undefined || this.#opener === undefined || record.epoch !== read.epoch) {
      return { accepted: false, reason: 'unexpected-epoch' }
    }
    // RFC 9146 section 3: where a CID was agreed on, a record without it is somebody else's, and the other way round.
    if (!sameConnectionId(record.connectionId, read.connectionId)) {
      return { accepted: false, reason: 'unexpected-connection-id' }
    }
    if (!isFresh(read.window, record.sequence)) return { accepted: false, reason: 'replayed' }
    // A datagram endpoint may also end the association here (RFC 8449 section 4), but this is not authentic yet: whoever
    // can send to our port could end it. So it is dropped, before it costs a decryption (RFC 6347 section 4.1.2.7).
    if (this.#opener.contentLength(record) > this.state.sizes.read)
      return { accepted: false, reason: 'record-overflow' }
    const opened = this.#opener.open(record)
    if (opened === undefined) {
      read.forgeries += 1
      return { accepted: false, reason: 'not-authentic' }
    }
    const isNewest = record.sequence > read.window.newest
    commit(read.window, record.sequence)
    if (read.connectionId.length === 0) return { accepted: true, type: record.type, plaintext: opened, isNewest }
    const typeAt = opened.findLastIndex((byte) => byte !== 0)
    if (typeAt < 0) return { accepted: false, reason: 'no-content' }
    return { accepted: true, type: opened[typeAt] as number, plaintext: opened.subarray(0, typeAt), isNewest }
  }

  /** More forgeries were tried than the suite allows under one key. */
  get forgeryLimitReached(): boolean {
    const { read } = this.state
    return read !== undefined && read.forgeries >= cipherSuites[read.keys.cipherSuite].forgeryLimit
  }

  #take(numbers: { nextSequence: number; readonly lastSequence: number }): number {
    const sequence = takeSequence(numbers)
    if (sequence === undefined) throw new SequenceExhausted()
    return sequence
  }
}

/** What stands behind the content of a record with a CID, and is encrypted with it. */
const innerTypeLength = (epoch: WriteEpoch | ReadEpoch | undefined): number =>
  epoch === undefined || epoch.connectionId.length === 0 ? 0 : 1
