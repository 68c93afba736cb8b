/** Waits between attempts: 2, 4, 8 … 64 s, each half fixed and half random, so that devices do not come back all at once. */

import { type Duration, milliseconds } from '@sallyport/clock'

const firstSeconds = 2
const lastSeconds = 64

export class BackOff {
  readonly #random: () => number
  #failures = 0

  /** @param random gives numbers from 0 to 1 */
  constructor(random: () => number) {
    this.#random = random
  }

  /** How long to wait before the next attempt. */
  next(): Duration {
    const full = Math.min(firstSeconds * 2 ** this.#failures, lastSeconds) * 1000
    this.#failures += 1
    return milliseconds(Math.round(full / 2 + (full / 2) * this.#random()))
  }

  /** An attempt has worked. */
  reset(): void {
    this.#failures = 0
  }
}
