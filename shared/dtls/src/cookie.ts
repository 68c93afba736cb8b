/**
 * The stateless cookie of HelloVerifyRequest (RFC 6347 section 4.2.1): HMAC over the peer's address, its port and
 * everything else in its hello, so that a peer can neither lend its cookie nor change its mind between the two hellos.
 *
 * Two secrets live at a time: a cookie made just before a change still holds for one more period.
 */

import { constantTimeEqual, utf8 } from '@sallyport/bytes'
import type { HelloCookie } from './client-hello.ts'
import { Hmac } from './hmac.ts'
import type { PeerAddress } from './output.ts'

export const cookieLength = 32

export class CookieSecrets {
  #current: Hmac
  #previous: Hmac | undefined

  constructor(secret: Uint8Array) {
    this.#current = new Hmac('sha256', secret)
  }

  /** The former secret stays good until the next change. */
  rotate(secret: Uint8Array): void {
    this.#previous = this.#current
    this.#current = new Hmac('sha256', secret)
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

function bake(secret: Hmac, { address, port }: PeerAddress, { beforeCookie, afterCookie }: HelloCookie): Uint8Array {
  return secret.of(utf8(`${address}|${port}|${beforeCookie.length}|`), beforeCookie, afterCookie)
}
