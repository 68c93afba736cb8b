/**
 * Checks a chain entry by entry, in constant memory: the first entry that is not what it should be is named, with why.
 *
 * What it cannot see by itself is an end that was cut off together with its heads: for that a head that was kept elsewhere
 * is given too (`expectHead`).
 */

import { constantTimeEqual } from '@sallyport/bytes'
import {
  beforeFirstEntry,
  type ChainEntry,
  type ChainHead,
  type ChainPosition,
  chainEntry,
  eventSha256,
  type SealableEvent,
} from './audit-chain.ts'

export type ChainFaultReason =
  /** An entry is missing before this one. */
  | 'gap'
  /** The entry does not follow from the one before it. */
  | 'link-broken'
  /** The event is not the one that was sealed. */
  | 'event-changed'
  | 'event-missing'
  /** A head names another hash for this entry than the chain has. */
  | 'head-differs'
  | 'head-signature-wrong'
  /** A head names an entry that the chain does not reach. */
  | 'end-missing'

export interface ChainFault {
  readonly sequence: number
  readonly eventId?: string
  readonly reason: ChainFaultReason
}

export class ChainVerification {
  #at: ChainPosition
  #fault: ChainFault | undefined
  readonly #heads = new Map<number, ChainHead>()

  /** @param from an entry that is known to be good, where the check goes on; by default the beginning */
  constructor(from: ChainPosition = beforeFirstEntry) {
    this.#at = from
  }

  /** The last entry that is good. */
  get position(): ChainPosition {
    return this.#at
  }

  /** The first fault; nothing is checked after it. */
  get fault(): ChainFault | undefined {
    return this.#fault
  }

  /** A head that the chain must agree with, its signature checked by the caller; to be given before its entry comes. */
  expectHead(head: ChainHead, signatureIsGood: boolean): void {
    if (!signatureIsGood) this.#fail({ sequence: head.sequence, reason: 'head-signature-wrong' })
    else if (head.sequence === this.#at.sequence) this.#compare(head, this.#at)
    else if (head.sequence > this.#at.sequence) this.#heads.set(head.sequence, head)
  }

  /**
   * @param event what the trail has under the entry's event id; `'hidden'` where the reader may not see it, and takes its
   * hash on trust
   */
  add(entry: ChainEntry, event: SealableEvent | 'hidden' | undefined): void {
    if (event === undefined || event === 'hidden') this.addHashed(entry, event)
    else this.addHashed(entry, event.id === entry.eventId ? eventSha256(event) : new Uint8Array(32))
  }

  /** @param event the hash of what the trail has under the entry's event id (`documentSha256`); otherwise as in `add` */
  addHashed(entry: ChainEntry, event: Uint8Array | 'hidden' | undefined): void {
    if (this.#fault !== undefined) return
    const { sequence, eventId } = entry
    const named = { sequence, eventId }
    if (sequence !== this.#at.sequence + 1) return this.#fail({ ...named, reason: 'gap' })
    if (event === undefined) return this.#fail({ ...named, reason: 'event-missing' })
    if (event !== 'hidden' && !constantTimeEqual(event, entry.eventSha256)) {
      return this.#fail({ ...named, reason: 'event-changed' })
    }
    const expected = chainEntry(this.#at, eventId, entry.eventSha256)
    if (!constantTimeEqual(expected.sha256, entry.sha256)) return this.#fail({ ...named, reason: 'link-broken' })
    this.#at = { sequence, sha256: expected.sha256 }
    const head = this.#heads.get(sequence)
    this.#heads.delete(sequence)
    if (head !== undefined) this.#compare(head, this.#at)
  }

  /** All entries have come: heads beyond the end say that some are missing. */
  finish(): ChainFault | undefined {
    const [beyond] = this.#heads.keys()
    if (beyond !== undefined) this.#fail({ sequence: this.#at.sequence + 1, reason: 'end-missing' })
    return this.#fault
  }

  #compare(head: ChainHead, at: ChainPosition): void {
    if (!constantTimeEqual(head.sha256, at.sha256)) this.#fail({ sequence: head.sequence, reason: 'head-differs' })
  }

  #fail(fault: ChainFault): void {
    this.#fault ??= fault
  }
}
