/**
 * Whether a device's access token is good here: signed by the control plane, in date, for the gateway, for this device, and
 * bound to one of the device's certificates (RFC 8705 `x5t#S256`) or PSK identities (`psk-identity#S256`; design §7).
 *
 * The association proves which credential, and so which device, is asking; the token must be that device's. A token bound to
 * another one satisfies if that was issued to the same device and not revoked: a renewed device keeps its token.
 */

import { createHash } from 'node:crypto'
import { fromBase64Url, fromUtf8, toHex } from '@sallyport/bytes'
import { type Clock, type Instant, instant } from '@sallyport/clock'
import { CodedError, hasCode, isCodedError } from '@sallyport/errors'
import { verifyAccessToken } from '@sallyport/keys'
import { credentialSha256, type DeviceCredential, type RecordedIdentity, type RecordedPsk } from '@sallyport/store'
import type { DeviceIdentity } from './device-identity.ts'
import type { JsonWebKeyCache } from './json-web-key-cache.ts'

/** What a good token says. */
export interface DeviceToken {
  readonly deviceId: string
  readonly organizationId: string
  readonly boundTo: DeviceCredential
  readonly expiresAt: Instant
}

export interface DeviceTokenVerifierOptions {
  readonly keys: JsonWebKeyCache
  readonly issuer: string
  readonly clock: Clock
  readonly findRecorded: (certificateSha256: string) => Promise<RecordedIdentity | undefined>
  readonly findRecordedPsk: (pskIdentitySha256: string) => Promise<RecordedPsk | undefined>
}

const audience = 'sallyport-gateway'
const longestToken = 4096
const mostRemembered = 20_000

export class DeviceTokenVerifier {
  readonly #options: DeviceTokenVerifierOptions
  /** Tokens whose signature was verified, by hash; oldest first. */
  readonly #verified = new Map<string, { readonly token: DeviceToken; readonly keyId: string | undefined }>()

  constructor(options: DeviceTokenVerifierOptions) {
    this.#options = options
  }

  /** @throws CodedError `device-token-invalid` whose message says why, or `dependency-unavailable` while no key is known. */
  async verify(token: string, device: DeviceIdentity): Promise<DeviceToken> {
    const known = await this.#verifySignature(token)
    if (known.deviceId !== device.deviceId) throw refused('the token is for another device')
    if (known.organizationId !== device.organizationId) throw refused("the token is for another organization's device")
    await this.#assertBinding(known, device)
    return known
  }

  /** Revocation: a token that was good once is looked at anew. */
  forget(deviceId: string): void {
    for (const [hash, { token }] of this.#verified) if (token.deviceId === deviceId) this.#verified.delete(hash)
  }

  async #verifySignature(token: string): Promise<DeviceToken> {
    const now = this.#options.clock.now()
    const hash = createHash('sha256').update(token).digest('base64')
    const remembered = this.#verified.get(hash)
    if (remembered !== undefined && (await this.#isBelieved(remembered.keyId))) {
      if (now < remembered.token.expiresAt) return remembered.token
      this.#verified.delete(hash)
      throw refused('the token has expired')
    }
    this.#verified.delete(hash)
    const verified = await this.#verifyAnew(token, now)
    this.#verified.set(hash, { token: verified, keyId: unverifiedKeyId(token) })
    if (this.#verified.size > mostRemembered) {
      for (const oldest of this.#verified.keys()) {
        this.#verified.delete(oldest)
        break
      }
    }
    return verified
  }

  /** A token is good no longer than its key is. */
  async #isBelieved(keyId: string | undefined): Promise<boolean> {
    const keys = await this.#options.keys.keysFor(keyId)
    return keys.some(({ kid }) => kid === keyId)
  }

  async #verifyAnew(token: string, now: Instant): Promise<DeviceToken> {
    if (token.length > longestToken) throw refused('the token is too long')
    const keys = await this.#options.keys.keysFor(unverifiedKeyId(token))
    try {
      const claims = await verifyAccessToken({
        token,
        keys,
        issuer: this.#options.issuer,
        audience,
        now,
        type: 'at+jwt',
      })
      return deviceTokenIn(claims)
    } catch (error) {
      if (hasCode(error, 'token-invalid', 'token-expired')) throw refused(error.message)
      throw error
    }
  }

  async #assertBinding(token: DeviceToken, device: DeviceIdentity): Promise<void> {
    const { boundTo } = token
    if (credentialSha256(boundTo) === credentialSha256(device)) return
    const { findRecorded, findRecordedPsk } = this.#options
    const bound =
      boundTo.certificateSha256 === undefined
        ? await findRecordedPsk(boundTo.pskIdentitySha256)
        : await findRecorded(boundTo.certificateSha256)
    if (bound?.deviceId !== device.deviceId) throw refused('the token is bound to a credential of another device')
    if (bound.state === 'revoked') throw refused('the token is bound to a credential that was revoked')
  }
}

function deviceTokenIn(claims: Readonly<Record<string, unknown>>): DeviceToken {
  const { sub, org, exp, cnf } = claims
  if (typeof sub !== 'string' || typeof org !== 'string' || typeof exp !== 'number') throw refused('a claim is missing')
  return {
    deviceId: sub,
    organizationId: org,
    boundTo: bindingIn(cnf),
    expiresAt: instant(exp * 1000),
  }
}

function bindingIn(confirmation: unknown): DeviceCredential {
  const members = new Map(Object.entries(confirmation ?? {}))
  const thumbprint: unknown = members.get('x5t#S256')
  if (typeof thumbprint === 'string') return { certificateSha256: sha256In(thumbprint) }
  const pskIdentity: unknown = members.get('psk-identity#S256')
  if (typeof pskIdentity === 'string') return { pskIdentitySha256: sha256In(pskIdentity) }
  throw refused('the token is bound to no credential')
}

function sha256In(thumbprint: string): string {
  try {
    return toHex(fromBase64Url(thumbprint))
  } catch {
    throw refused('the token is bound to no credential')
  }
}

/** The key id that the token names, before anything about it is proven: good for nothing but choosing a key. */
function unverifiedKeyId(token: string): string | undefined {
  const [header = ''] = token.split('.', 1)
  try {
    const parsed: unknown = JSON.parse(fromUtf8(fromBase64Url(header)))
    const keyId = typeof parsed === 'object' && parsed !== null && 'kid' in parsed ? parsed.kid : undefined
    return typeof keyId === 'string' ? keyId : undefined
  } catch (error) {
    if (isCodedError(error) || error instanceof SyntaxError) throw refused('the token is no JWT')
    throw error
  }
}

const refused = (why: string): CodedError => new CodedError('device-token-invalid', `Sign in refused: ${why}.`)
