/**
 * Work that waits its turn: few run at once, the others in the order they came, and beyond a bound a device is told to come
 * back instead of waiting past its own time-out.
 *
 * Two stand in the dps. One is before the HSM, which may sign some ten times a second. One is before the database, whose
 * pool gives up on who waits 1.5 s for a connection: a fleet that comes all at once must wait longer than that.
 */

import { CodedError } from '@sallyport/errors'

export class WorkQueue {
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
        throw new CodedError('overloaded', `${this.#maxWaiting} requests are waiting already`)
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
