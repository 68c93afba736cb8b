/**
 * A key that signs our tokens: ES256, generated here, stored sealed under the HSM's key-encryption key, opened once and then
 * held in memory, so that tokens are issued while the HSM is away. Which of them signs now is for the key ring.
 */

import { SecretBytes, utf8 } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import type { SealingKey } from '@sallyport/hsm'
import { thumbprint } from '@sallyport/keys'
import { exportJWK, generateKeyPair, importJWK, type JWK, type JWTPayload, SignJWT } from 'jose'

export interface StoredJwtKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string
  readonly publicJwk: JWK
  readonly sealedPrivateKey: Uint8Array
}

export interface TokenSigner {
  /**
   * A compact JWS with `typ` and `kid` in its header.
   * @throws CodedError `signing-key-missing`
   */
  sign(type: 'at+jwt' | 'rt+jwt', claims: JWTPayload): Promise<string>
}

export interface JwtSigningKey extends TokenSigner {
  readonly kid: string
  readonly publicJwk: JWK
}

export async function createJwtKey(sealingKey: SealingKey): Promise<StoredJwtKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const bare = await exportJWK(publicKey)
  const kid = await thumbprint(bare)
  const secret = SecretBytes.fromText(JSON.stringify(await exportJWK(privateKey)))
  const sealedPrivateKey = await sealingKey.seal(secret.expose(), sealingContext(kid))
  secret.wipe()
  return { kid, publicJwk: { ...bare, kid, alg: 'ES256', use: 'sig' }, sealedPrivateKey }
}

/** @throws CodedError `sealed-value-invalid`, `hsm-unavailable`. */
export async function openJwtKey(stored: StoredJwtKey, sealingKey: SealingKey): Promise<JwtSigningKey> {
  const opened = new SecretBytes(await sealingKey.open(stored.sealedPrivateKey, sealingContext(stored.kid)))
  const jwk = JSON.parse(opened.exposeText()) as JWK
  opened.wipe()
  // A sealed key that is not the published one would sign tokens that nobody accepts.
  if ((await thumbprint(jwk)) !== stored.kid) {
    throw new CodedError('sealed-value-invalid', 'The sealed JWT key is not the published one.')
  }
  const key = await importJWK(jwk, 'ES256')
  return {
    kid: stored.kid,
    publicJwk: stored.publicJwk,
    sign: (type, claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: type, kid: stored.kid }).sign(key),
  }
}

/** Binds the sealed bytes to their key id: a sealed key cannot be passed off as another. */
const sealingContext = (kid: string): Uint8Array => utf8(`sallyport jwt key ${kid}`)
