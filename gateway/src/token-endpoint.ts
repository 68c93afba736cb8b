/**
 * The control plane's token endpoint, as the gateway asks it (RFC 6749; mutual TLS): codes and refresh tokens become tokens
 * bound to the device's certificate or PSK identity. The gateway itself can sign none.
 */

import { CodedError } from '@sallyport/errors'
import type { ServiceClient } from '@sallyport/http'
import type { JWK } from '@sallyport/keys'
import type { DeviceIdentity } from './device-identity.ts'

export interface DeviceTokens {
  readonly accessToken: string
  readonly refreshToken: string
  /** Seconds. */
  readonly expiresIn: number
  /** The organization that the device belongs to, as stock devices call it. */
  readonly uid: string
}

export interface TokenEndpoint {
  /** @throws CodedError `onboarding-code-invalid`, `ownership-mismatch`, `device-blocked`, `dependency-unavailable`. */
  redeemCode(code: string, device: DeviceIdentity, correlationId: string): Promise<DeviceTokens>
  /** @throws CodedError `refresh-failed`, `dependency-unavailable`. */
  refresh(refreshToken: string, device: DeviceIdentity, correlationId: string): Promise<DeviceTokens>
  fetchKeys(): Promise<readonly JWK[]>
}

export function tokenEndpoint(controlPlane: ServiceClient): TokenEndpoint {
  const ask = async (grant: Record<string, string>, device: DeviceIdentity, correlationId: string) => {
    const { body } = await controlPlane.request({
      method: 'POST',
      path: '/oauth/token',
      form: { ...grant, device_id: device.deviceId, ...credentialParameter(device) },
      correlationId,
    })
    return tokensIn(body, device)
  }
  return {
    redeemCode: (code, device, correlationId) => ask({ grant_type: 'authorization_code', code }, device, correlationId),
    refresh: (refreshToken, device, correlationId) =>
      ask({ grant_type: 'refresh_token', refresh_token: refreshToken }, device, correlationId),
    async fetchKeys() {
      const { body } = await controlPlane.request({ method: 'GET', path: '/.well-known/jwks.json' })
      const keys = recordOf(body)?.keys
      if (!Array.isArray(keys)) throw senseless('key set')
      return keys.filter((key): key is JWK => typeof recordOf(key)?.kid === 'string')
    },
  }
}

const credentialParameter = (device: DeviceIdentity): Record<string, string> =>
  device.certificateSha256 === undefined
    ? { psk_identity_sha256: device.pskIdentitySha256 }
    : { certificate_sha256: device.certificateSha256 }

function tokensIn(body: unknown, device: DeviceIdentity): DeviceTokens {
  const answer = recordOf(body) ?? {}
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: expiresIn, uid } = answer
  if (typeof accessToken !== 'string' || typeof refreshToken !== 'string' || typeof uid !== 'string') {
    throw senseless('token answer')
  }
  if (typeof expiresIn !== 'number' || !Number.isSafeInteger(expiresIn)) throw senseless('token answer')
  if (answer.device_id !== device.deviceId) throw senseless('token answer')
  return { accessToken, refreshToken, expiresIn, uid }
}

const recordOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined

const senseless = (what: string): CodedError =>
  new CodedError('dependency-unavailable', `The control plane's ${what} makes no sense.`)
