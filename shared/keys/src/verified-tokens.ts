/**
 * Access tokens that were verified already, by their hash: a caller's token is the same for minutes, and its signature a fact.
 *
 * What is not a fact is asked each time: whether the key is believed still, and whether the token's time is over. Whether its
 * session or its holder has been revoked was never told by the signature; that stays with whoever calls this.
 */

import { hash } from 'node:crypto'
import { CodedError } from '@sallyport/errors'
import { decodeProtectedHeader, type JWK } from 'jose'
import { type AccessTokenClaims, type TokenVerification, verifyAccessToken } from './access-token.ts'

interface Verified {
  readonly claims: AccessTokenClaims
  /** The key under which the signature was good. */
  readonly key: JWK | undefined
}

export class VerifiedTokens {
  readonly #most: number
  /** By the SHA-256 of the token and of what was expected of it; least lately used first. */
  readonly #verified = new Map<string, Verified>()

  /** @param most tokens that are remembered. Default 10 000, some 10 MB. */
  constructor(most = 10_000) {
    this.#most = most
  }

  /** As `verifyAccessToken`, and with its errors. */
  async verify(options: TokenVerification): Promise<AccessTokenClaims> {
    const { token, type, issuer, audience } = options
    const name = hash('sha256', JSON.stringify([token, type, issuer, audience]), 'base64')
    const known = this.#verified.get(name)
    if (known !== undefined) {
      this.#verified.delete(name)
      if (options.keys.some((key) => isSame(key, known.key))) {
        const { claims } = known
        if (claims.exp * 1000 <= options.now)
          throw new CodedError('token-expired', 'The token has expired.', { cause: claims })
        this.#verified.set(name, known)
        return claims
      }
    }
    const claims = await verifyAccessToken(options)
    const { kid } = decodeProtectedHeader(token)
    this.#verified.set(name, { claims, key: options.keys.find((key) => key.kid === kid) })
    const oldest = this.#verified.size > this.#most ? this.#verified.keys().next().value : undefined
    if (oldest !== undefined) this.#verified.delete(oldest)
    return claims
  }
}

const isSame = (one: JWK, other: JWK | undefined): boolean =>
  one.kid === other?.kid && one.x === other?.x && one.y === other?.y
