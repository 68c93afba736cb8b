/**
 * What a bad network does to one datagram, decided purely: the same seed and the same datagrams give the same fates.
 *
 * It draws the same numbers for every datagram, whatever becomes of it, so that changing one rate leaves the others' choices
 * as they were.
 */

/** Rates from 0 to 1, for each datagram of one direction. */
export interface NetworkFaults {
  readonly drop: number
  readonly duplicate: number
  /** Held back, up to `maxDelay`, and so overtaken by what comes after. */
  readonly delay: number
  /** Cut anywhere, to nothing at the worst. */
  readonly truncate: number
  /** Milliseconds. */
  readonly maxDelay: number
  /** Bytes of UDP payload; larger datagrams are lost, as on a path that reports nothing. */
  readonly mtu: number
}

export const goodNetwork: NetworkFaults = { drop: 0, duplicate: 0, delay: 0, truncate: 0, maxDelay: 500, mtu: 65_535 }

/** One copy that arrives. */
export interface Delivery {
  /** Milliseconds from now. */
  readonly after: number
  /** Bytes of the datagram, from its start. */
  readonly length: number
}

/** @param random numbers from 0 inclusive to 1 exclusive; six are drawn @param length bytes of the datagram */
export function fateOf(faults: NetworkFaults, random: () => number, length: number): readonly Delivery[] {
  const [dropped, doubled, delayed, delay, cut, kept] = [random(), random(), random(), random(), random(), random()]
  if (length > faults.mtu || dropped < faults.drop) return []
  const first: Delivery = {
    after: delayed < faults.delay ? 1 + Math.floor(delay * faults.maxDelay) : 0,
    length: cut < faults.truncate ? Math.floor(kept * length) : length,
  }
  // The copy comes after the first, so that it meets a peer that has answered already.
  return doubled < faults.duplicate ? [first, { after: first.after + 1 + Math.floor(kept * 50), length }] : [first]
}

/** A small generator of pseudorandom numbers (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
