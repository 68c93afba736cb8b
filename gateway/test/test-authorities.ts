/** The authorities of an installation for tests, their keys in memory, and what they issue. */

import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type CertificateProfile,
  dnsName,
  ipName,
  issueCertificate,
  type Signer,
  softwareSigner,
  uriName,
  validityFor,
} from '@sallyport/issuer'
import { type Certificate, certificateToPem } from '@sallyport/pki'

const day = 86_400_000

export interface Authority {
  readonly certificate: Certificate
  readonly signer: Signer
}

export interface Credentials {
  readonly certificate: Certificate
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  readonly privateKey: KeyObject
}

export interface TestAuthorities {
  readonly identity: Authority
  readonly files: {
    readonly folder: string
    readonly serviceAuthority: string
    readonly gateway: { readonly certificate: string; readonly key: string }
    service(name: string): { readonly certificate: string; readonly key: string }
  }
  /** An identity certificate as the dps issues it. */
  identityOf(deviceId: string, validity?: { startsAt?: number; days?: number }): Promise<Credentials>
}

export function newKey(): { privateKey: KeyObject; spki: Uint8Array } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { privateKey, spki: softwareSigner(privateKey).publicKey }
}

export function newSerialNumber(): Uint8Array {
  const octets = new Uint8Array(randomBytes(17))
  octets[0] = 0x21
  return octets
}

export async function newAuthority(
  profile: CertificateProfile,
  commonName: string,
  issuer?: Authority,
): Promise<Authority> {
  const signer = softwareSigner(newKey().privateKey)
  const { notBefore, notAfter } = validityFor(Date.now() - day, 1000)
  const certificate = await issueCertificate({
    profile,
    subject: { commonName },
    spki: signer.publicKey,
    issuer: issuer ?? { signer },
    serialNumber: newSerialNumber(),
    notBefore,
    // Made a second after its issuer it would outlive it.
    notAfter: issuer?.certificate.notAfter ?? notAfter,
  })
  return { certificate, signer }
}

export async function newLeaf(
  profile: CertificateProfile,
  subject: Parameters<typeof issueCertificate>[0]['subject'],
  issuer: Authority,
  validity: { startsAt?: number; days?: number } = {},
): Promise<Credentials> {
  const { privateKey, spki } = newKey()
  const certificate = await issueCertificate({
    profile,
    subject,
    spki,
    issuer,
    serialNumber: newSerialNumber(),
    ...validityFor(validity.startsAt ?? Date.now() - 60_000, validity.days ?? 90),
  })
  return { certificate, chain: [certificate.der], privateKey }
}

/** Makes all of them; certificates and keys of servers and services are written to files below `folder`. */
export async function makeAuthorities(folder: string, services: readonly string[]): Promise<TestAuthorities> {
  mkdirSync(folder, { recursive: true })
  const root = await newAuthority('installation-root', 'Test installation')
  const server = await newAuthority('server-ca', 'Test servers', root)
  const service = await newAuthority('service-ca', 'Test services', root)
  const identity = await newAuthority('identity-ca', 'Test identities')
  const write = (name: string, { certificate, privateKey }: Credentials, issuer: Authority) => {
    const files = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) }
    writeFileSync(files.certificate, certificateToPem(certificate.der) + certificateToPem(issuer.certificate.der))
    writeFileSync(files.key, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
    return files
  }
  const gateway = write(
    'server-gateway',
    await newLeaf(
      'server',
      { commonName: `uuid:${randomUUID()}`, subjectAlternativeNames: [dnsName('localhost'), ipName('127.0.0.1')] },
      server,
    ),
    server,
  )
  const serviceFiles = new Map<string, { certificate: string; key: string }>()
  for (const name of services) {
    const subjectAlternativeNames = [
      uriName(`urn:sallyport:service:${name}`),
      dnsName('localhost'),
      ipName('127.0.0.1'),
    ]
    const leaf = await newLeaf('service', { commonName: name, subjectAlternativeNames }, service)
    serviceFiles.set(name, write(`service-${name}`, leaf, service))
  }
  const serviceAuthority = join(folder, 'service-ca.pem')
  writeFileSync(serviceAuthority, certificateToPem(service.certificate.der) + certificateToPem(root.certificate.der))
  return {
    identity,
    files: {
      folder,
      serviceAuthority,
      gateway,
      service(name) {
        const files = serviceFiles.get(name)
        if (files === undefined) throw new Error(`no certificate was made for ${name}`)
        return files
      },
    },
    identityOf: (deviceId, validity) => newLeaf('identity', { commonName: `uuid:${deviceId}` }, identity, validity),
  }
}
