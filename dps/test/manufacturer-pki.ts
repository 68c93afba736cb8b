/** A manufacturer for tests: root → intermediate → device, made anew with keys in memory. */

import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { type CertificateProfile, issueCertificate, type Signer, softwareSigner, validityFor } from '@sallyport/issuer'
import type { Certificate } from '@sallyport/pki'

const day = 86_400_000

export interface TestAuthority {
  readonly certificate: Certificate
  readonly signer: Signer
}

export interface TestDevice {
  readonly id: string
  readonly certificate: Certificate
  readonly chain: readonly Uint8Array[]
  readonly privateKey: KeyObject
}

export interface TestManufacturer {
  readonly root: TestAuthority
  readonly intermediate: TestAuthority
  device(options?: {
    readonly id?: string
    readonly profile?: CertificateProfile
    readonly startsAt?: number
    readonly days?: number
    /** Default: P-256. */
    readonly privateKey?: KeyObject
  }): Promise<TestDevice>
}

export async function createManufacturer(name: string): Promise<TestManufacturer> {
  const root = await authority('manufacturer-root', `${name} Root`, undefined)
  const intermediate = await authority('manufacturer-intermediate', `${name} Intermediate`, root)
  return {
    root,
    intermediate,
    async device(options = {}) {
      const id = options.id ?? crypto.randomUUID()
      const privateKey = options.privateKey ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
      const spki = new Uint8Array(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }))
      const certificate = await issueCertificate({
        profile: options.profile ?? 'manufacturer-device',
        subject: { commonName: `uuid:${id}` },
        spki,
        issuer: intermediate,
        serialNumber: serialNumber(),
        ...validityFor(options.startsAt ?? Date.now() - day, options.days ?? 365),
      })
      return { id, certificate, chain: [certificate.der, intermediate.certificate.der], privateKey }
    },
  }
}

export async function authority(
  profile: CertificateProfile,
  commonName: string,
  issuer: TestAuthority | undefined,
): Promise<TestAuthority> {
  const signer = softwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  const { notBefore, notAfter } = validityFor(Date.now() - 1000 * day, 5400)
  const certificate = await issueCertificate({
    profile,
    subject: { commonName },
    spki: signer.publicKey,
    issuer: issuer ?? { signer },
    serialNumber: serialNumber(),
    notBefore,
    // Made a second after its issuer it would outlive it.
    notAfter: issuer?.certificate.notAfter ?? notAfter,
  })
  return { certificate, signer }
}

export function serialNumber(): Uint8Array {
  const bytes = new Uint8Array(randomBytes(17))
  bytes[0] = 0x11
  return bytes
}
