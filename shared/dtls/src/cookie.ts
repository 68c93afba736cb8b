/**
 * The stateless cookie of HelloVerifyRequest (RFC 6347 section 4.2.1): HMAC over the peer's address, its port and
 * everything else in its hello, so that a peer can neither lend its cookie nor change its mind between the two hellos.
 *
 * Two secrets live at a time: a cookie made just before a change still holds for one more period.
 */

import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { constantTimeEqual } from '@sallyport/bytes'
import type { HelloCookie } from './client-hello.ts'
import type { PeerAddress } from './output.ts'

export const cookieLength = 32

export class CookieSecrets {
  #current: KeyObject
  #previous: KeyObject | undefined

  constructor(secret: Uint8Array) {
    this.#current = createSecretKey(secret)
  }

  /** The former secret stays good until the next change. */
  rotate(secret: Uint8Array): void {
    this.#previous = this.#current
    this.#current = createSecretKey(secret)
  }

  cookieFor(peer: PeerAddress, hello: HelloCookie): Uint8Array {
    return bake(this.#current, peer, hello)
  }

  isGood(peer: PeerAddress, hello: HelloCookie): boolean {
    if (hello.cookie.length !== cookieLength) return false
    if (constantTimeEqual(hello.cookie, bake(this.#current, peer, hello))) return true
    return this.#previous !== undefined && constantTimeEqual(hello.cookie, bake(this.#previous, peer, hello))
  }
}

function bake(secret: KeyObject, peer: PeerAddress, hello: HelloCookie): Uint8Array {
  return createHmac('sha256', secret)
    .update(`${peer.address}|${peer.port}|${hello.beforeCookie.length}|`)
    .update(hello.beforeCookie)
    .update(hello.afterCookie)
    .digest()
}
