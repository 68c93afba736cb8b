/**
 * Work of one kind, so much of it at a time and the rest in the order in which it came: what a whole fleet causes at once does not
 * take every connection to the database from everything else.
 */

import type { Duration } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'

export class WorkQueue {
  readonly #atOnce: number
  readonly #waiting = new Set<() => void>()
  #underWay = 0

  constructor(atOnce: number) {
    this.#atOnce = atOnce
  }

  /** Waiting or under way. */
  get size(): number {
    return this.#underWay + this.#waiting.size
  }

  /**
   * @param longestWait until its turn; by default as long as it takes
   * @throws CodedError `overloaded` when its turn has not come; what the work throws
   */
  async run<T>(work: () => Promise<T>, longestWait?: Duration): Promise<T> {
    if (this.#underWay < this.#atOnce) this.#underWay += 1
    else await this.#turn(longestWait)
    try {
      return await work()
    } finally {
      this.#next()
    }
  }

  /** Resolves when a place was left to it. */
  #turn(longestWait: Duration | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      const begin = (): void => {
        clearTimeout(timer)
        resolve()
      }
      this.#waiting.add(begin)
      if (longestWait === undefined) return
      timer = setTimeout(() => {
        this.#waiting.delete(begin)
        reject(new CodedError('overloaded', 'Many devices are coming in; try again later.'))
      }, longestWait)
    })
  }

  /** A place is free: it goes to who has waited for longest. */
  #next(): void {
    const [begin] = this.#waiting
    if (begin === undefined) {
      this.#underWay -= 1
      return
    }
    this.#waiting.delete(begin)
    begin()
  }
}
