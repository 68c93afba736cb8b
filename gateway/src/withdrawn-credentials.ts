/** Which of these devices have lost the right to what they came in with: revoked, superseded, or the device itself gone. */

import { credentialSha256, type Store } from '@sallyport/store'
import type { DeviceIdentity } from './device-identity.ts'

export interface CredentialStore {
  readonly certificates: Pick<Store['certificates'], 'withdrawnAmong'>
  readonly psks: Pick<Store['psks'], 'withdrawnAmong'>
}

/** @returns whether an identity of these is withdrawn. */
export async function withdrawnCredentials(
  store: CredentialStore,
  identities: readonly DeviceIdentity[],
): Promise<(identity: DeviceIdentity) => boolean> {
  const [certificates, psks] = await Promise.all([
    store.certificates.withdrawnAmong(identities.flatMap((one) => one.certificateSha256 ?? [])),
    store.psks.withdrawnAmong(identities.flatMap((one) => one.pskIdentitySha256 ?? [])),
  ])
  const withdrawn = new Set([...certificates, ...psks])
  return (identity) => withdrawn.has(credentialSha256(identity))
}
