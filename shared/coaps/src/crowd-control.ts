/**
 * How many associations one peer may have at a time. Whoever holds one valid key could otherwise take every place that the
 * server has. The oldest gives way: a peer that comes back has lost it anyway.
 */

import type { Association } from './association.ts'

export interface AssociationsPerPeer<Identity> {
  /** Who a peer is, however often it comes. */
  readonly keyOf: (identity: Identity) => string
  readonly most: number
}

export class CrowdControl<Identity> {
  readonly #limit: AssociationsPerPeer<Identity>
  readonly #byPeer = new Map<string, Set<Association<Identity>>>()

  constructor(limit: AssociationsPerPeer<Identity>) {
    this.#limit = limit
  }

  opened(association: Association<Identity>): void {
    const key = this.#limit.keyOf(association.identity)
    const own = this.#byPeer.get(key) ?? new Set()
    this.#byPeer.set(key, own.add(association))
    if (own.size <= this.#limit.most) return
    const [oldest] = own
    oldest?.close()
  }

  closed(association: Association<Identity>): void {
    const key = this.#limit.keyOf(association.identity)
    const own = this.#byPeer.get(key)
    own?.delete(association)
    if (own?.size === 0) this.#byPeer.delete(key)
  }
}
