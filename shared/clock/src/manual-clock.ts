/** A clock that stands still until it is moved: for tests and for replaying a seed. */

import type { Clock, Duration, Instant } from './time.ts'
import { instant, later } from './time.ts'

export class ManualClock implements Clock {
  #now: Instant

  constructor(start: Instant = instant(0)) {
    this.#now = start
  }

  now(): Instant {
    return this.#now
  }

  advance(by: Duration): Instant {
    this.#now = later(this.#now, by)
    return this.#now
  }

  /** @throws RangeError when `to` lies in the past: time never goes back. */
  moveTo(to: Instant): Instant {
    if (to < this.#now) throw new RangeError('a manual clock cannot go back')
    this.#now = to
    return to
  }
}
