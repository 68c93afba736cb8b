/**
 * The certificates of the services: towards devices (DTLS, under the server CA) and towards each other (mutual TLS,
 * under the service CA). Their keys are in files, because DTLS and TLS use them at every handshake.
 *
 * A certificate is kept while it fits: same names, same issuer, its own key beside it, and a month or more to live.
 */

import { createPublicKey } from 'node:crypto'
import { constantTimeEqual } from '@sallyport/bytes'
import {
  type CertificateProfile,
  type CertificateSubject,
  issueCertificate,
  softwareSigner,
  validityFor,
} from '@sallyport/issuer'
import { type Certificate, certificatesFromPem, certificateToPem } from '@sallyport/pki'
import { readTextFileIfPresent, writeFileAtomically } from '../files.ts'
import { generateSoftwareKey, privateKeyPem, randomSerialNumber } from '../software-key.ts'
import { type Authority, signerOf } from './installation-authority.ts'
import type { CertificateFiles } from './installation-files.ts'

const lifetimeDays = 365
const renewalMilliseconds = 30 * 86_400_000
/** A peer's clock may be behind ours (design: at most 5 minutes). */
const backdatedMilliseconds = 5 * 60_000

/** @returns whether a new one was issued. */
export async function ensureServiceCertificate(options: {
  files: CertificateFiles
  profile: Extract<CertificateProfile, 'server' | 'service'>
  subject: CertificateSubject
  authority: Authority
  now: number
}): Promise<boolean> {
  const { files, profile, subject, authority, now } = options
  const issue = async (spki: Uint8Array): Promise<Certificate> =>
    issueCertificate({
      profile,
      subject,
      spki,
      issuer: { certificate: authority.certificate, signer: signerOf(authority.key) },
      serialNumber: randomSerialNumber(),
      ...validityFor(now - backdatedMilliseconds, lifetimeDays),
    })
  if (stillFits(options)) return false
  const privateKey = generateSoftwareKey()
  const certificate = await issue(softwareSigner(privateKey).publicKey)
  writeFileAtomically(files.key, privateKeyPem(privateKey), 'secret')
  const chain = [certificate, authority.certificate].map(({ der }) => certificateToPem(der)).join('')
  writeFileAtomically(files.certificate, chain, 'public')
  return true
}

function stillFits(options: {
  files: CertificateFiles
  subject: CertificateSubject
  authority: Authority
  now: number
}): boolean {
  const certificatePem = readTextFileIfPresent(options.files.certificate)
  const keyPem = readTextFileIfPresent(options.files.key)
  if (certificatePem === undefined || keyPem === undefined) return false
  const [leaf, issuer] = certificatesFromPem(certificatePem)
  return (
    leaf !== undefined &&
    issuer?.sha256 === options.authority.certificate.sha256 &&
    leaf.notAfter - renewalMilliseconds > options.now &&
    leaf.commonName === options.subject.commonName &&
    namesText(leaf) === wantedNamesText(options.subject) &&
    holdsKey(leaf, keyPem)
  )
}

const namesText = ({ extensions }: Certificate): string =>
  (extensions.subjectAlternativeNames ?? [])
    .map((name) =>
      'text' in name ? `${name.kind}:${name.text}` : 'octets' in name ? `ip:${name.octets.join('.')}` : '?',
    )
    .join(' ')

const wantedNamesText = ({ subjectAlternativeNames }: CertificateSubject): string =>
  (subjectAlternativeNames ?? [])
    .map((name) => (name.kind === 'ip' ? `ip:${name.octets.join('.')}` : `${name.kind}:${name.text}`))
    .join(' ')

function holdsKey(leaf: Certificate, keyPem: string): boolean {
  try {
    return constantTimeEqual(new Uint8Array(createPublicKey(keyPem).export({ format: 'der', type: 'spki' })), leaf.spki)
  } catch {
    // A key file that does not parse is as good as none: a new pair is made.
    return false
  }
}
