/**
 * Stops asking a dependency that keeps failing: after `threshold` failures in a row it refuses at once for `pause`, then
 * lets one call through to see.
 */

import type { Clock, Duration, Instant } from '@sallyport/clock'
import { later } from '@sallyport/clock'

export type CircuitState = 'closed' | 'open' | 'half-open'

export class CircuitBreaker {
  readonly #clock: Clock
  readonly #threshold: number
  readonly #pause: Duration
  #failures = 0
  #openUntil: Instant | undefined
  #probing = false

  constructor(options: { clock: Clock; threshold: number; pause: Duration }) {
    this.#clock = options.clock
    this.#threshold = options.threshold
    this.#pause = options.pause
  }

  get state(): CircuitState {
    if (this.#openUntil === undefined) return 'closed'
    return this.#clock.now() < this.#openUntil ? 'open' : 'half-open'
  }

  /** True when a call may be made now. In the half-open state only the first asker gets it. */
  admit(): boolean {
    if (this.state === 'closed') return true
    if (this.state === 'open' || this.#probing) return false
    this.#probing = true
    return true
  }

  succeeded(): void {
    this.#failures = 0
    this.#openUntil = undefined
    this.#probing = false
  }

  failed(): void {
    this.#failures += 1
    this.#probing = false
    if (this.#failures >= this.#threshold) this.#openUntil = later(this.#clock.now(), this.#pause)
  }
}
