/**
 * Certificate profiles: everything that a certificate of ours says, but for its key, its names and its dates.
 *
 * The tables of docs/pki.md are these. A profile writes every extension; a request has no say.
 */

import type { extendedKeyUsageId, KeyUsage } from '@sallyport/pki'

export type CertificateProfile =
  | 'installation-root'
  | 'server-ca'
  | 'service-ca'
  | 'identity-ca'
  | 'server'
  | 'service'
  | 'identity'
  | 'manufacturer-root'
  | 'manufacturer-intermediate'
  | 'manufacturer-device'
  | 'unfit-manufacturer-device'

export interface ProfileRules {
  readonly authority: { readonly pathLength: number } | undefined
  readonly keyUsage: readonly KeyUsage[]
  readonly extendedKeyUsage: readonly (keyof typeof extendedKeyUsageId)[]
  /** Where the subject alternative names come from: nowhere, the caller, or the device id in the common name. */
  readonly alternativeNames: 'none' | 'given' | 'device-id'
  readonly maxDays: number
}

const authority = (pathLength: number, maxDays: number): ProfileRules => ({
  authority: { pathLength },
  keyUsage: ['keyCertSign', 'cRLSign'],
  extendedKeyUsage: [],
  alternativeNames: 'none',
  maxDays,
})

const years = 366

export const certificateProfiles: Readonly<Record<CertificateProfile, ProfileRules>> = {
  'installation-root': authority(1, 30 * years),
  'server-ca': authority(0, 15 * years),
  'service-ca': authority(0, 15 * years),
  'identity-ca': authority(0, 30 * years),
  // The OCF usage is there because a device authorizes the gateway, as its client, like any OCF peer.
  server: {
    authority: undefined,
    keyUsage: ['digitalSignature', 'keyAgreement'],
    extendedKeyUsage: ['serverAuth', 'clientAuth', 'ocfIdentity'],
    alternativeNames: 'given',
    maxDays: 398,
  },
  service: {
    authority: undefined,
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: ['clientAuth', 'serverAuth'],
    alternativeNames: 'given',
    maxDays: 398,
  },
  identity: {
    authority: undefined,
    keyUsage: ['digitalSignature', 'keyAgreement'],
    extendedKeyUsage: ['clientAuth', 'serverAuth', 'ocfIdentity'],
    alternativeNames: 'device-id',
    // 90 days, and the minutes by which notBefore is backdated.
    maxDays: 91,
  },
  'manufacturer-root': authority(1, 60 * years),
  'manufacturer-intermediate': authority(0, 60 * years),
  'manufacturer-device': {
    authority: undefined,
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: ['clientAuth'],
    alternativeNames: 'none',
    maxDays: 60 * years,
  },
  /** For tests of refusals: a device certificate that may only be a server. */
  'unfit-manufacturer-device': {
    authority: undefined,
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: ['serverAuth'],
    alternativeNames: 'none',
    maxDays: 60 * years,
  },
}
