/**
 * The tokens of devices (design §7): an access token of 24 h bound to the identity certificate (RFC 8705 section 3.1) or the PSK identity, and an
 * opaque refresh token, of which only the hash is kept.
 */

import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { fromHex, toBase64Url } from '@sallyport/bytes'
import type { Clock, Duration } from '@sallyport/clock'
import { inSeconds, later } from '@sallyport/clock'
import type { DeviceCredential } from '@sallyport/store'
import type { TokenSigner } from './jwt-signing-key.ts'

export const deviceAudience = 'sallyport-gateway'

export interface DeviceTokens {
  issueAccess(device: {
    readonly deviceId: string
    readonly organizationId: string
    /** What the token is bound to. */
    readonly credential: DeviceCredential
  }): Promise<{ readonly token: string; readonly expiresInSeconds: number }>
}

export function deviceTokens(options: {
  readonly clock: Clock
  readonly issuer: () => string
  readonly signingKey: TokenSigner
  readonly lifetime: Duration
}): DeviceTokens {
  return {
    async issueAccess({ deviceId, organizationId, credential }) {
      const now = options.clock.now()
      const token = await options.signingKey.sign('at+jwt', {
        iss: options.issuer(),
        aud: deviceAudience,
        sub: deviceId,
        client_id: deviceId,
        org: organizationId,
        uid: organizationId,
        cnf: confirmationOf(credential),
        jti: randomUUID(),
        iat: Math.floor(now / 1000),
        exp: Math.floor(later(now, options.lifetime) / 1000),
      })
      return { token, expiresInSeconds: inSeconds(options.lifetime) }
    },
  }
}

/** RFC 8705 section 3.1 for a certificate; for a PSK identity, which no RFC names, a member of our own (RFC 7800 section 3.1). */
const confirmationOf = ({
  certificateSha256,
  pskIdentitySha256,
}: DeviceCredential): Readonly<Record<string, string>> =>
  certificateSha256 === undefined
    ? { 'psk-identity#S256': toBase64Url(fromHex(pskIdentitySha256)) }
    : { 'x5t#S256': toBase64Url(fromHex(certificateSha256)) }

/** A secret that is handed out once, and what is kept of it. */
export interface OneTimeSecret {
  readonly value: string
  readonly hash: Uint8Array
}

export function newDeviceRefreshToken(): OneTimeSecret {
  const value = `dr_${randomBytes(32).toString('base64url')}`
  return { value, hash: secretHash(value) }
}

export function newOnboardingCode(): OneTimeSecret {
  const value = randomBytes(32).toString('base64url')
  return { value, hash: secretHash(value) }
}

/** SHA-256 is enough: 256 random bits need no salt and no slow hash. */
export const secretHash = (value: string): Uint8Array => createHash('sha256').update(value).digest()
