/** Whom the dps talks to: a device that has proven a manufacturer key, or an identity certificate of this installation. */

import type { EnrollmentGroup } from './provisioning-store.ts'

/** The device as its manufacturer made it. Its record is that of its key. */
export interface ManufacturerPeer {
  readonly kind: 'manufacturer'
  readonly group: EnrollmentGroup
  readonly recordId: string
  readonly manufacturer: {
    readonly spkiSha256: string
    readonly certificateSha256: string
    readonly certificatePem: string
    readonly commonName: string | undefined
  }
}

/** A device that comes back with what it was issued: its link to the enrollment is the record that it was issued in. */
export interface IdentityPeer {
  readonly kind: 'identity'
  readonly group: EnrollmentGroup
  readonly recordId: string
  readonly deviceId: string
  readonly certificateSha256: string
  readonly manufacturerSpkiSha256: string
}

export type DpsPeer = ManufacturerPeer | IdentityPeer

export const manufacturerSpkiSha256Of = (peer: DpsPeer): string =>
  peer.kind === 'manufacturer' ? peer.manufacturer.spkiSha256 : peer.manufacturerSpkiSha256
