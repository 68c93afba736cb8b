/** RFC 7638: the name of a key that follows from the key itself. */

import { createHash } from 'node:crypto'
import { toBase64Url } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import type { JWK } from 'jose'

/**
 * SHA-256 of the required members of an EC key in their fixed form (RFC 7638 section 3.2), base64url.
 *
 * @throws CodedError `validation-failed` when the key is no EC key.
 */
export function thumbprint(jwk: JWK): string {
  const { crv, kty, x, y } = jwk
  if (kty !== 'EC' || typeof crv !== 'string' || typeof x !== 'string' || typeof y !== 'string') {
    throw new CodedError('validation-failed', 'A thumbprint is made of an EC key with crv, x and y.')
  }
  return toBase64Url(createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest())
}
