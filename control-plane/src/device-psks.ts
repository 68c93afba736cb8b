/**
 * Pre-shared keys of devices: made or taken here, sealed under the HSM's key-encryption key, opened again for gateways alone
 * (design §7).
 *
 * The PSK identity is the text of the key's id. The sealed bytes are bound to it: a key cannot be passed off as another's.
 */

import { createHash, randomBytes } from 'node:crypto'
import { SecretBytes, toHex, utf8 } from '@sallyport/bytes'
import type { Clock } from '@sallyport/clock'
import { CodedError, type ErrorCode } from '@sallyport/errors'
import { randomBytesOfIdentifier, uuidV7 } from '@sallyport/fleet'
import type { SealingKey } from '@sallyport/hsm'
import type { NewPsk, RecordedPsk, Store } from '@sallyport/store'

/** As many as every peer can hold, the smallest of them too; 128 bits of them are random. */
const keyBytes = 16
export const shortestPskBytes = 16
/** RFC 4279 section 5.4: what every peer must take. */
export const longestPskBytes = 64

export interface CreatedPsk extends NewPsk {
  readonly identity: string
  /** To be shown once. */
  readonly key: SecretBytes
}

export type PskLookup =
  | { readonly found: true; readonly deviceId: string; readonly organizationId: string; readonly key: SecretBytes }
  | { readonly found: false; readonly code: ErrorCode; readonly deviceId?: string }

export interface DevicePsks {
  /** @param given 16 to 64 bytes of the caller's; absent: a random key. */
  create(given?: Uint8Array): Promise<CreatedPsk>
  /** For a gateway. An identity without a key takes the same work as one with. @throws CodedError `hsm-unavailable`, `database-unavailable` */
  lookUp(identity: Uint8Array): Promise<PskLookup>
}

export async function openDevicePsks(options: {
  readonly store: { readonly psks: Pick<Store['psks'], 'findSealed'> }
  /** Of the HSM. */
  readonly sealingKey: SealingKey
  readonly clock: Clock
}): Promise<DevicePsks> {
  const { store, sealingKey, clock } = options
  // What is opened where there is no key: how long the answer takes must not tell which identities there are.
  const decoyIdentity = 'nobody'
  const decoy = await sealingKey.seal(randomBytes(keyBytes), sealingContext(decoyIdentity))
  return {
    async create(given) {
      const id = uuidV7(clock.now(), randomBytes(randomBytesOfIdentifier))
      const key = new SecretBytes(given ?? randomBytes(keyBytes))
      const sealedKey = await sealingKey.seal(key.expose(), sealingContext(id))
      return { id, identity: id, identitySha256: pskIdentitySha256(utf8(id)), sealedKey, key }
    },
    async lookUp(identity) {
      const recorded = await store.psks.findSealed(pskIdentitySha256(identity))
      const refused = refusalOf(recorded)
      if (recorded?.sealedKey === undefined || refused !== undefined) {
        await sealingKey.open(decoy, sealingContext(decoyIdentity))
        const code = refused ?? 'psk-revoked'
        return { found: false, code, ...(recorded === undefined ? {} : { deviceId: recorded.deviceId }) }
      }
      const { deviceId, organizationId, sealedKey } = recorded
      const key = new SecretBytes(await sealingKey.open(sealedKey, sealingContext(recorded.id)))
      if (key.length < shortestPskBytes) throw new CodedError('sealed-value-invalid', 'a sealed PSK is too short')
      return { found: true, deviceId, organizationId, key }
    },
  }
}

/** Lower-case hexadecimal: what a token of the device is bound to. */
export const pskIdentitySha256 = (identity: Uint8Array): string => toHex(createHash('sha256').update(identity).digest())

function refusalOf(recorded: RecordedPsk | undefined): ErrorCode | undefined {
  if (recorded === undefined) return 'psk-identity-unknown'
  if (recorded.deviceState === 'blocked') return 'device-blocked'
  if (recorded.deviceState === 'deleted') return 'psk-revoked'
  if (!recorded.groupAllowsPsk) return 'psk-not-allowed'
  return recorded.state === 'issued' || recorded.state === 'active' ? undefined : 'psk-revoked'
}

const sealingContext = (identity: string): Uint8Array => utf8(`sallyport device psk ${identity}`)
