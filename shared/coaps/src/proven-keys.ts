/**
 * Public keys that peers have proven in a handshake, kept imported: a device that comes back spares us that. An import says
 * nothing about a peer, and a key is found by all its bytes; each handshake proves it anew. Only proven ones are kept, so
 * that strangers cannot fill it; where it is full, the longest unused goes.
 */

import type { KeyObject } from 'node:crypto'

export class ProvenKeys {
  readonly #most: number
  /** By base64 of the SubjectPublicKeyInfo, the longest unused first. */
  readonly #keys = new Map<string, KeyObject>()

  /** @param most keys at a time, some 2 kB each; 0: none is kept */
  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#keys.size
  }

  find(spki: string): KeyObject | undefined {
    return this.#keys.get(spki)
  }

  remember(spki: string, key: KeyObject): void {
    this.#keys.delete(spki)
    this.#keys.set(spki, key)
    if (this.#keys.size <= this.#most) return
    const [longestUnused] = this.#keys.keys()
    if (longestUnused !== undefined) this.#keys.delete(longestUnused)
  }
}
