/**
 * Issuing a certificate, in the order that the design fixes:
 *
 *   1. template    the profile writes tbsCertificate
 *   2. lint        a copy signed by a throwaway key is read back and compared with the profile
 *   3. (caller)    stores the intent and audits it
 *   4. sign        with the authority's key
 *   5. verify      the signature, with the authority's public key, before anything leaves
 *
 * `prepareCertificate` is 1 and 2, `signCertificate` 4 and 5; `issueCertificate` is all, for ceremonies that keep no
 * records. Nothing here decides who may have a certificate.
 */

import { generateKeyPairSync } from 'node:crypto'
import { constantTimeEqual } from '@sallyport/bytes'
import { type Instant, instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { type Certificate, type PublicKey, parseCertificate, parseSpki, verifySignature } from '@sallyport/pki'
import { lintCertificate } from './certificate-lint.ts'
import type { CertificateProfile } from './certificate-profile.ts'
import { type CertificateSubject, encodeCertificate, encodeToBeSigned } from './certificate-template.ts'
import { type Signer, signatureAlgorithmOf, softwareSigner } from './signer.ts'

export interface Issuance {
  readonly profile: CertificateProfile
  readonly subject: CertificateSubject
  /** DER SubjectPublicKeyInfo of the subject. */
  readonly spki: Uint8Array
  /** `certificate` absent: self-signed, and `signer` holds the subject's own key. */
  readonly issuer: { readonly certificate?: Certificate; readonly signer: Signer }
  /** From a random source: 17 octets with the first bit cleared. */
  readonly serialNumber: Uint8Array
  readonly notBefore: Instant
  readonly notAfter: Instant
}

/** Linted, not yet signed. */
export interface PreparedCertificate {
  readonly profile: CertificateProfile
  readonly toBeSigned: Uint8Array
  readonly signatureAlgorithm: Uint8Array
  readonly signer: Signer
  /** What the certificate will say; its signature is a throwaway's, so it must never leave. */
  readonly unsignedCopy: Certificate
}

/** @throws CodedError `issuance-refused` for what the profile or the issuer does not allow. */
export async function prepareCertificate(issuance: Issuance): Promise<PreparedCertificate> {
  const { signer, certificate: issuer } = issuance.issuer
  checkIssuer(issuance)
  checkSerialNumber(issuance.serialNumber)
  const signatureAlgorithm = signatureAlgorithmOf(signer.publicKey)
  const toBeSigned = encodeToBeSigned({ ...issuance, issuer, signatureAlgorithm })
  const throwaway = throwawaySigner()
  const copy = encodeCertificate(toBeSigned, signatureAlgorithm, await throwaway.sign(toBeSigned))
  const findings = lintCertificate(copy, issuance.profile)
  if (findings.length > 0) {
    throw new CodedError('issuance-refused', `The certificate does not satisfy its profile: ${findings.join('; ')}.`, {
      details: { profile: issuance.profile, findings },
    })
  }
  return { profile: issuance.profile, toBeSigned, signatureAlgorithm, signer, unsignedCopy: parseCertificate(copy) }
}

/** @throws CodedError `hsm-signature-wrong` when the signature does not verify; what the signer throws. */
export async function signCertificate(prepared: PreparedCertificate): Promise<Certificate> {
  const { toBeSigned, signatureAlgorithm, signer } = prepared
  const signature = await signer.sign(toBeSigned)
  const certificate = parseCertificate(encodeCertificate(toBeSigned, signatureAlgorithm, signature))
  if (!verifySignature(certificate.signatureAlgorithm, publicKeyOf(signer), certificate.toBeSigned, signature)) {
    throw new CodedError('hsm-signature-wrong', 'the signature over the certificate does not verify')
  }
  return certificate
}

/** Prepares and signs. @throws CodedError `issuance-refused`, `hsm-signature-wrong`. */
export const issueCertificate = async (issuance: Issuance): Promise<Certificate> =>
  signCertificate(await prepareCertificate(issuance))

/** Dates for a lifetime; whole seconds, as certificates hold them. */
export function validityFor(
  startsAtMilliseconds: number,
  lifetimeDays: number,
): { notBefore: Instant; notAfter: Instant } {
  const notBefore = Math.floor(startsAtMilliseconds / 1000) * 1000
  return { notBefore: instant(notBefore), notAfter: instant(notBefore + lifetimeDays * 86_400_000) }
}

function checkIssuer({ issuer, spki, notAfter }: Issuance): void {
  const { certificate, signer } = issuer
  if (!constantTimeEqual(signer.publicKey, certificate?.spki ?? spki)) {
    throw new CodedError('issuance-refused', 'the signing key is not the key of the issuer')
  }
  if (certificate === undefined) return
  if (!certificate.isCa) throw new CodedError('issuance-refused', 'the issuer is no certificate authority')
  if (notAfter > certificate.notAfter) {
    throw new CodedError('issuance-refused', 'the certificate would live longer than its issuer')
  }
}

function checkSerialNumber(octets: Uint8Array): void {
  const first = octets[0]
  if (octets.length < 8 || octets.length > 20 || first === undefined || first >= 0x80) {
    throw new CodedError('issuance-refused', 'a serial number has 8 to 20 octets, the first bit cleared')
  }
}

const publicKeys = new WeakMap<Signer, PublicKey>()

function publicKeyOf(signer: Signer): PublicKey {
  const known = publicKeys.get(signer) ?? parseSpki(signer.publicKey)
  publicKeys.set(signer, known)
  return known
}

let throwaway: Signer | undefined

/** Its signatures verify under no key that anyone trusts. */
function throwawaySigner(): Signer {
  throwaway ??= softwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  return throwaway
}
