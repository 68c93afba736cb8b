/**
 * The two halves of an association's record layer: what we write under, what we read under.
 *
 * Plain data, so that an association can move to another process. The numbers of outgoing records are handed out here
 * and nowhere else; they stop hard before they could repeat.
 */

import { noConnectionId } from './connection-id.ts'
import type { TrafficKeys } from './key-schedule.ts'
import { createReplayWindow, type ReplayWindow } from './replay-window.ts'

export interface WriteEpoch {
  readonly epoch: number
  readonly keys: TrafficKeys
  /** What the peer wants to read in our records; empty: none. */
  readonly connectionId: Uint8Array
  nextSequence: number
  /** The last number that may be used. */
  readonly lastSequence: number
}

export interface ReadEpoch {
  readonly epoch: number
  readonly keys: TrafficKeys
  /** What every record of the peer must carry; empty: none. */
  readonly connectionId: Uint8Array
  readonly window: ReplayWindow
  /** Records that failed authentication under these keys. */
  forgeries: number
}

/**
 * A number is 16 bits of takeover generation, then 32 bits of counter: whoever holds an older generation can never use
 * a number of the newer one. A fresh association has generation 0.
 */
const numbersPerGeneration = 2 ** 32

/** Past it an association ends, and its peer handshakes anew. */
export const maxGeneration = 0xffff

export function createWriteEpoch(
  epoch: number,
  keys: TrafficKeys,
  connectionId: Uint8Array = noConnectionId,
  generation = 0,
): WriteEpoch {
  const nextSequence = generation * numbersPerGeneration
  return { epoch, keys, connectionId, nextSequence, lastSequence: nextSequence + numbersPerGeneration - 1 }
}

/** The takeovers that these numbers are of. */
export const generationOf = ({ lastSequence }: WriteEpoch): number => Math.floor(lastSequence / numbersPerGeneration)

export const createReadEpoch = (
  epoch: number,
  keys: TrafficKeys,
  connectionId: Uint8Array = noConnectionId,
): ReadEpoch => ({
  epoch,
  keys,
  connectionId,
  window: createReplayWindow(),
  forgeries: 0,
})

/** The next number, used once; undefined when none is left: the association must end. */
export function takeSequence(write: { nextSequence: number; readonly lastSequence: number }): number | undefined {
  if (write.nextSequence > write.lastSequence) return undefined
  const sequence = write.nextSequence
  write.nextSequence += 1
  return sequence
}
