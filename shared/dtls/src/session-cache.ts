/**
 * Sessions by their id (RFC 5246 section 7.3), for clients that know no tickets. Bounded: where it is full, the session that
 * was not used for longest goes.
 */

import type { Session } from './session.ts'

export class SessionCache {
  readonly #most: number
  /** The longest unused first. */
  readonly #sessions = new Map<string, Session>()

  /** @param most sessions at a time; 0: none is kept */
  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#sessions.size
  }

  remember(sessionId: Uint8Array, session: Session): void {
    if (this.#most === 0) return
    const key = keyOf(sessionId)
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    if (this.#sessions.size <= this.#most) return
    const [longestUnused] = this.#sessions.keys()
    if (longestUnused !== undefined) this.#sessions.delete(longestUnused)
  }

  /** Now the one that was used last. */
  find(sessionId: Uint8Array): Session | undefined {
    const key = keyOf(sessionId)
    const session = this.#sessions.get(key)
    if (session === undefined) return undefined
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    return session
  }

  forget(sessionId: Uint8Array): void {
    this.#sessions.delete(keyOf(sessionId))
  }
}

const keyOf = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString('latin1')
