/**
 * The stateless cookie of HelloVerifyRequest (RFC 6347 section 4.2.1), in two halves of 128 bits:
 *
 *   HMAC(address, port, length and beginning of the hello: version, random, session id) ‖ HMAC(that, the rest of the hello)
 *
 * The first half proves the address, and a hello in pieces shows it with its first piece, before anything is kept. The
 * second keeps the client from changing its mind between its two hellos. Of a hello whose first piece was all that we saw,
 * it cannot cover the rest: it then covers that fact alone, which tells nothing but that the address was asked. Whoever
 * holds such a cookie has the address, and could as well have asked for one over any other hello.
 *
 * Two secrets live at a time: a cookie made just before a change still holds for one more period.
 */

import { concat, constantTimeEqual } from '@sallyport/bytes'
import type { HelloCookie } from './client-hello.ts'
import { Hmac } from './hmac.ts'
import type { PeerAddress } from './output.ts'

export const cookieLength = 32

const halfLength = cookieLength / 2

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

  /** @param hello the whole of it, or its first piece */
  cookieFor(peer: PeerAddress, hello: HelloCookie): Uint8Array {
    const address = proveAddress(this.#current, peer, hello)
    return concat(
      address,
      hello.isWhole ? coverRest(this.#current, address, hello) : coverNothing(this.#current, address),
    )
  }

  /** The sender of this hello, or of the first piece of it, receives at its address. Says nothing about the rest of it. */
  provesAddress(peer: PeerAddress, hello: HelloCookie): boolean {
    return this.#secretOf(peer, hello) !== undefined
  }

  /** @param hello the whole of it */
  isGood(peer: PeerAddress, hello: HelloCookie): boolean {
    const secret = this.#secretOf(peer, hello)
    if (secret === undefined) return false
    const address = hello.cookie.subarray(0, halfLength)
    const rest = hello.cookie.subarray(halfLength)
    return (
      constantTimeEqual(rest, coverRest(secret, address, hello)) ||
      constantTimeEqual(rest, coverNothing(secret, address))
    )
  }

  #secretOf(peer: PeerAddress, hello: HelloCookie): Hmac | undefined {
    if (hello.cookie.length !== cookieLength) return undefined
    const shown = hello.cookie.subarray(0, halfLength)
    if (constantTimeEqual(shown, proveAddress(this.#current, peer, hello))) return this.#current
    const previous = this.#previous
    if (previous === undefined) return undefined
    return constantTimeEqual(shown, proveAddress(previous, peer, hello)) ? previous : undefined
  }
}

const half = (secret: Hmac, label: string, ...parts: readonly Uint8Array[]): Uint8Array =>
  secret.of(Buffer.from(label), ...parts).subarray(0, halfLength)

const proveAddress = (secret: Hmac, peer: PeerAddress, { beforeCookie, lengthBeside }: HelloCookie): Uint8Array =>
  half(secret, `address|${peer.address}|${peer.port}|${lengthBeside}|`, beforeCookie)

const coverRest = (secret: Hmac, address: Uint8Array, { afterCookie }: HelloCookie): Uint8Array =>
  half(secret, 'rest|', address, afterCookie)

const coverNothing = (secret: Hmac, address: Uint8Array): Uint8Array => half(secret, 'pieces|', address)
