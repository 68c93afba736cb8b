/**
 * Which live association gives way to a newcomer when there are as many as there may be: the one that was not heard of for
 * longest, and only if that is long ago. A device that lives never feels it.
 */

import { type Duration, earlier, type Instant, later, minutes, seconds } from '@sallyport/clock'

export const defaultStaleAfter: Duration = minutes(30)

/** A search looks at every association, so it finds many, and one that found none is not repeated at once. */
const mostFound = 256
const searchedAgainAfter: Duration = seconds(1)

export class StaleAssociations<Held extends { readonly lastHeardAt: Instant }> {
  readonly #staleAfter: Duration
  /** Longest silent last. */
  #found: Held[] = []
  #nextSearch: Instant | undefined

  constructor(staleAfter: Duration) {
    this.#staleAfter = staleAfter
  }

  /** The association to close; undefined when none is stale. @param isLive whether one of `all` is still one of them */
  longestSilent(all: Iterable<Held>, isLive: (held: Held) => boolean, now: Instant): Held | undefined {
    const stale = (held: Held): boolean => isLive(held) && held.lastHeardAt <= earlier(now, this.#staleAfter)
    const known = this.#lastFound(stale)
    if (known !== undefined || (this.#nextSearch !== undefined && now < this.#nextSearch)) return known
    this.#nextSearch = later(now, searchedAgainAfter)
    this.#found = [...all]
      .filter(stale)
      .sort((a, b) => b.lastHeardAt - a.lastHeardAt)
      .slice(-mostFound)
    return this.#found.at(-1)
  }

  #lastFound(stale: (held: Held) => boolean): Held | undefined {
    for (let last = this.#found.at(-1); last !== undefined; last = this.#found.at(-1)) {
      if (stale(last)) return last
      this.#found.pop()
    }
    return undefined
  }
}
