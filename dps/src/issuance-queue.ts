/**
 * Issuances wait here for the HSM: few run at once (a YubiHSM signs some ten times a second), and beyond a bound a device
 * is told to come back instead of waiting past its own time-out.
 */

import { CodedError } from '@sallyport/errors'

export class IssuanceQueue {
  readonly #concurrency: number
  readonly #maxWaiting: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(options: { readonly concurrency: number; readonly maxWaiting: number }) {
    this.#concurrency = options.concurrency
    this.#maxWaiting = options.maxWaiting
  }

  get length(): number {
    return this.#waiting.length
  }

  /** @throws CodedError `overloaded`. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#concurrency) this.#running++
    else {
      if (this.#waiting.length >= this.#maxWaiting) {
        throw new CodedError('overloaded', `${this.#maxWaiting} certificate requests are waiting already`)
      }
      // Whoever ends hands its place on, so `running` stays as it is.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
