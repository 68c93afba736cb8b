import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  type CertificateProfile,
  certificateProfiles,
  issueCertificate,
  lintCertificate,
  softwareSigner,
  uriName,
  validityFor,
} from '../src/index.ts'

const signer = softwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
const profiles = Object.keys(certificateProfiles) as CertificateProfile[]

/** Self-signed, since lint looks at no signature. */
const make = (profile: CertificateProfile) =>
  issueCertificate({
    profile,
    subject: {
      commonName: 'uuid:8f0c2a53-5f1e-4d0e-9a3c-0d6f1f2b3c4d',
      ...(certificateProfiles[profile].alternativeNames === 'given'
        ? { subjectAlternativeNames: [uriName('urn:x:y')] }
        : {}),
    },
    spki: signer.publicKey,
    issuer: { signer },
    serialNumber: new Uint8Array(17).fill(1),
    ...validityFor(Date.UTC(2026, 0, 1), 30),
  })

/** Profiles that say the same of everything: a certificate of one passes as the other. */
const twins: Readonly<Record<string, readonly CertificateProfile[]>> = {
  'installation-root': ['manufacturer-root'],
  'manufacturer-root': ['installation-root'],
  'server-ca': ['service-ca', 'identity-ca', 'manufacturer-intermediate'],
  'service-ca': ['server-ca', 'identity-ca', 'manufacturer-intermediate'],
  'identity-ca': ['server-ca', 'service-ca', 'manufacturer-intermediate'],
  'manufacturer-intermediate': ['server-ca', 'service-ca', 'identity-ca'],
}

describe('lint', () => {
  it.each(profiles)('[4.7] passes a certificate of the profile %s as that, and as no other', async (profile) => {
    const { der } = await make(profile)
    expect(lintCertificate(der, profile)).toEqual([])
    for (const other of profiles) {
      if (other === profile || twins[profile]?.includes(other)) continue
      // A certificate with the right names for a device may pass as a server's: the names are the caller's there.
      if (profile === 'identity' && other === 'server') continue
      expect(lintCertificate(der, other), `${profile} as ${other}`).not.toEqual([])
    }
  })

  it('[4.7] finds what is no certificate', () => {
    expect(lintCertificate(Uint8Array.of(0x30, 0x00), 'identity')).toEqual([expect.stringMatching(/malformed/)])
  })
})
