/**
 * What a leaf certificate is used for, and what it must say to be good for it.
 *
 * Extended key usage is asked of the leaf alone and must name the usage itself: `anyExtendedKeyUsage` does not serve.
 * In authorities it is ignored, as in RFC 5280 section 6 (the Web PKI treats it there as a constraint; device PKIs do
 * not write it so).
 */

import type { Certificate } from './certificate.ts'
import { deviceIdFromCommonName } from './device-identity.ts'
import { extendedKeyUsageId, nameIn } from './object-identifiers.ts'
import { type PathRefusal, pathRefusal } from './path-refusal.ts'
import { endEntityKeyRefusal } from './public-key.ts'

/** `manufacturer-device`: a device at the dps; `identity-device`: a device at the gateway; `server`: gateway and dps. */
export type CertificatePurpose = 'manufacturer-device' | 'identity-device' | 'server'

const neededUsages: Readonly<Record<CertificatePurpose, readonly (keyof typeof extendedKeyUsageId)[]>> = {
  'manufacturer-device': ['clientAuth'],
  'identity-device': ['clientAuth', 'serverAuth', 'ocfIdentity'],
  server: ['serverAuth'],
}

/** Why the certificate may not be a leaf for the purpose, or undefined. */
export function leafRefusal(leaf: Certificate, purpose: CertificatePurpose): PathRefusal | undefined {
  const { keyUsage, extendedKeyUsage } = leaf.extensions
  if (leaf.isCa || keyUsage?.has('keyCertSign') === true) {
    return pathRefusal('certificate-purpose-wrong', 0, 'the leaf is the certificate of a certificate authority')
  }
  const allowsRsa = purpose === 'manufacturer-device'
  const keyRefusal = endEntityKeyRefusal(leaf.publicKey, allowsRsa)
  if (keyRefusal !== undefined) {
    return pathRefusal(
      'certificate-key-unsupported',
      0,
      `the key of the leaf is ${keyRefusal}; P-256, P-384${allowsRsa ? ', Ed25519 or RSA' : ' or Ed25519'} is needed`,
    )
  }
  if (keyUsage !== undefined && !keyUsage.has('digitalSignature')) {
    const found = [...keyUsage].join(', ') || 'nothing'
    return pathRefusal('certificate-purpose-wrong', 0, `the leaf has key usage ${found}; digitalSignature is needed`)
  }
  const missing = neededUsages[purpose].filter((usage) => extendedKeyUsage?.has(extendedKeyUsageId[usage]) !== true)
  if (missing.length > 0) {
    const found =
      extendedKeyUsage === undefined ? 'no extended key usage' : `extended key usage ${usageNames(extendedKeyUsage)}`
    return pathRefusal(
      'certificate-purpose-wrong',
      0,
      `the leaf has ${found}; ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} needed`,
    )
  }
  if (purpose === 'identity-device' && deviceIdFromCommonName(leaf.commonName) === undefined) {
    return pathRefusal('certificate-purpose-wrong', 0, 'the common name of the leaf is not uuid:<device id>')
  }
  return undefined
}

/** At most five: the list comes from a peer and goes to a log. */
function usageNames(usages: ReadonlySet<string>): string {
  const names = [...usages].slice(0, 5).map((usage) => nameIn(extendedKeyUsageId, usage))
  return names.join(', ') + (usages.size > 5 ? ', …' : '')
}
