/**
 * Puts handshake messages together from fragments that come in any order, doubled, overlapping, or from a liar
 * (RFC 6347 section 4.2.3).
 *
 * Bounds: a message is at most `maxMessageBytes`; what is held for all messages together at most `maxBufferedBytes`;
 * only the next few message numbers are held. Memory grows with what arrived, not with what a header claims. Fragments
 * are matched by message number, and one that disagrees with the first about type, length or bytes is refused.
 */

import type { HandshakeFragment, HandshakeMessage } from './handshake-message.ts'

export interface ReassemblyLimits {
  readonly maxMessageBytes: number
  readonly maxBufferedBytes: number
}

export const defaultReassemblyLimits: ReassemblyLimits = { maxMessageBytes: 8192, maxBufferedBytes: 8192 }

/** How far ahead of the next message a number may be: more than any flight is long. */
const maxAhead = 8

/** Pieces apart from one another within a message; in-order and reversed fragments need one. */
const maxRanges = 32

export interface Reassembly {
  /** Number of the message that is to be handled next. */
  next: number
  bufferedBytes: number
  readonly partial: Map<number, PartialMessage>
}

interface PartialMessage {
  /** Number of the record that brought the newest piece; -1 where numbers do not matter. */
  recordSequence: number
  readonly type: number
  readonly length: number
  bytes: Uint8Array
  /** What is there: sorted, apart, half open. */
  ranges: readonly Range[]
}

export interface ReceivedMessage extends HandshakeMessage {
  /** Number of the record that completed it. */
  readonly recordSequence: number
}

interface Range {
  readonly start: number
  readonly end: number
}

export const createReassembly = (next: number): Reassembly => ({ next, bufferedBytes: 0, partial: new Map() })

/** `repeated`: a fragment of a message already handled, the sign of a peer that retransmits. */
export type FragmentVerdict = 'taken' | 'repeated' | 'too-far-ahead' | 'too-large' | 'contradicting' | 'buffer-full'

/** Takes a copy of a fragment, or says why not. */
export function takeFragment(
  reassembly: Reassembly,
  fragment: HandshakeFragment,
  recordSequence: number,
  limits: ReassemblyLimits,
): FragmentVerdict {
  const { messageSequence } = fragment
  if (messageSequence < reassembly.next) return 'repeated'
  if (messageSequence >= reassembly.next + maxAhead) return 'too-far-ahead'
  if (fragment.length > limits.maxMessageBytes) return 'too-large'
  const known = reassembly.partial.get(messageSequence)
  if (known !== undefined && (known.type !== fragment.type || known.length !== fragment.length)) return 'contradicting'
  const partial = known ?? createPartial(fragment, recordSequence)
  // An empty fragment of a message that is not empty brings nothing: keeping a place for it would be state for free.
  if (fragment.bytes.length === 0 && fragment.length > 0) return 'taken'
  if (contradicts(partial, fragment)) return 'contradicting'
  if (isWhole(partial)) return 'taken'
  const ranges = merge(partial.ranges, { start: fragment.offset, end: fragment.offset + fragment.bytes.length })
  if (ranges.length > maxRanges) return 'buffer-full'
  if (!makeRoom(reassembly, partial, fragment.offset + fragment.bytes.length, limits)) return 'buffer-full'
  partial.bytes.set(fragment.bytes, fragment.offset)
  partial.ranges = ranges
  partial.recordSequence = recordSequence
  reassembly.partial.set(messageSequence, partial)
  return 'taken'
}

/** The next message once it is whole, in a buffer of its own; advances. */
export function takeNextMessage(reassembly: Reassembly): ReceivedMessage | undefined {
  const partial = reassembly.partial.get(reassembly.next)
  if (partial === undefined || !isWhole(partial)) return undefined
  reassembly.partial.delete(reassembly.next)
  reassembly.bufferedBytes -= partial.bytes.length
  const messageSequence = reassembly.next
  reassembly.next += 1
  const { type, recordSequence, bytes } = partial
  return { type, messageSequence, recordSequence, body: bytes.subarray(0, partial.length) }
}

export function isWholeMessageReady(reassembly: Reassembly): boolean {
  const partial = reassembly.partial.get(reassembly.next)
  return partial !== undefined && isWhole(partial)
}

const createPartial = (fragment: HandshakeFragment, recordSequence: number): PartialMessage => ({
  recordSequence,
  type: fragment.type,
  length: fragment.length,
  bytes: new Uint8Array(0),
  ranges: [],
})

function isWhole(partial: PartialMessage): boolean {
  const [first] = partial.ranges
  return first !== undefined && first.start === 0 && first.end === partial.length
}

/** Whether a fragment has other bytes where it overlaps what is there. */
function contradicts(partial: PartialMessage, fragment: HandshakeFragment): boolean {
  const end = fragment.offset + fragment.bytes.length
  for (const range of partial.ranges) {
    for (let at = Math.max(range.start, fragment.offset); at < Math.min(range.end, end); at += 1) {
      if (partial.bytes[at] !== fragment.bytes[at - fragment.offset]) return true
    }
  }
  return false
}

function merge(ranges: readonly Range[], added: Range): readonly Range[] {
  const merged: Range[] = []
  let { start, end } = added
  for (const range of ranges) {
    if (range.end < start || range.start > end) {
      merged.push(range)
    } else {
      start = Math.min(start, range.start)
      end = Math.max(end, range.end)
    }
  }
  merged.push({ start, end })
  return merged.sort((a, b) => a.start - b.start)
}

/** Grows a message's buffer to `needed` bytes: doubling, at most to the message's length. */
function makeRoom(reassembly: Reassembly, partial: PartialMessage, needed: number, limits: ReassemblyLimits): boolean {
  const held = partial.bytes.length
  if (needed <= held) return true
  const affordable = limits.maxBufferedBytes - reassembly.bufferedBytes + held
  if (needed > affordable) return false
  const grown = new Uint8Array(Math.min(partial.length, affordable, Math.max(needed, held * 2)))
  grown.set(partial.bytes)
  reassembly.bufferedBytes += grown.length - held
  partial.bytes = grown
  return true
}
