/**
 * The certificate chain of an enrollment group, as a manufacturer loads it: PEM, the CA that issues to devices first, its
 * issuers after it, up to any authority the manufacturer likes to end with.
 *
 * It must verify against itself: every certificate is a CA, is valid now, and was issued by the next. That the manufacturer
 * holds the key of it is not proven here; the group's state says whether it was.
 */

import { createHash } from 'node:crypto'
import { toHex } from '@sallyport/bytes'
import type { Instant } from '@sallyport/clock'
import { toRfc3339 } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import { CodedError } from '@sallyport/errors'
import { authorityKeyRefusal, type Certificate, certificatesFromPem, verifySignature } from '@sallyport/pki'
import type { GroupAuthority } from '@sallyport/store'

export interface EnrollmentChain {
  readonly authorities: readonly GroupAuthority[]
  /** Common name of the authority that issues to the devices of the group. */
  readonly leadCertificateName: string
}

const mostCertificates = 8

/**
 * @param leadCertificateName picks the authority that issues to devices; the first of the chain where it is not given.
 * @throws CodedError with the code of the first thing that is wrong, and a message that names the certificate.
 */
export function readEnrollmentChain(
  pem: string,
  leadCertificateName: string | undefined,
  now: Instant,
): EnrollmentChain {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw new CodedError(
      'validation-failed',
      'The chain holds a private key. Send certificates only, and replace that key.',
    )
  }
  const chain = certificatesFromPem(pem)
  if (chain.length > mostCertificates) {
    throw new CodedError(
      'certificate-path-too-long',
      `The chain has ${chain.length} certificates; at most ${mostCertificates}.`,
    )
  }
  for (const [index, certificate] of chain.entries()) {
    requireAuthority(certificate, index)
    requireValidNow(certificate, index, now)
    requireIssuedBy(certificate, chain[index + 1], index)
  }
  requireDistinct(chain)
  const lead = leadOf(chain, leadCertificateName)
  return {
    leadCertificateName: lead.commonName ?? lead.subject,
    authorities: chain.map((certificate) => ({
      sha256: certificate.sha256,
      subjectSha256: toHex(createHash('sha256').update(certificate.subjectDer).digest()),
      spkiSha256: certificate.spkiSha256,
      der: certificate.der,
      commonName: certificate.commonName ?? certificate.subject,
      isLead: certificate === lead,
    })),
  }
}

function requireAuthority(certificate: Certificate, index: number): void {
  const { keyUsage } = certificate.extensions
  if (!certificate.isCa) {
    throw refusal('certificate-purpose-wrong', certificate, index, 'is not a certificate authority (basicConstraints)')
  }
  if (keyUsage !== undefined && !keyUsage.has('keyCertSign')) {
    throw refusal(
      'certificate-purpose-wrong',
      certificate,
      index,
      'may not sign certificates (keyUsage lacks keyCertSign)',
    )
  }
  const keyRefusal = authorityKeyRefusal(certificate.publicKey)
  if (keyRefusal !== undefined) {
    throw refusal('certificate-key-unsupported', certificate, index, `has a key that is not accepted: ${keyRefusal}`)
  }
}

function requireValidNow(certificate: Certificate, index: number, now: Instant): void {
  if (now > certificate.notAfter) {
    throw refusal('certificate-expired', certificate, index, `expired at ${toRfc3339(certificate.notAfter)}`)
  }
  if (now < certificate.notBefore) {
    throw refusal(
      'certificate-not-yet-valid',
      certificate,
      index,
      `is not valid before ${toRfc3339(certificate.notBefore)}`,
    )
  }
}

/** The last may be self-signed, or issued by an authority that the manufacturer keeps for itself. */
function requireIssuedBy(certificate: Certificate, next: Certificate | undefined, index: number): void {
  const issuer = next ?? (certificate.selfIssued ? certificate : undefined)
  if (issuer === undefined) return
  if (toHex(issuer.subjectDer) !== toHex(certificate.issuerDer)) {
    const detail = `was issued by ${certificate.issuer}, but the next certificate is ${issuer.subject}`
    throw refusal('certificate-authority-unknown', certificate, index, detail)
  }
  const { signatureAlgorithm, toBeSigned, signature } = certificate
  if (!verifySignature(signatureAlgorithm, issuer.publicKey, toBeSigned, signature)) {
    const detail = `is not signed by the key of ${next === undefined ? 'its own certificate' : 'the next certificate'}`
    throw refusal('certificate-signature-invalid', certificate, index, detail)
  }
}

function requireDistinct(chain: readonly Certificate[]): void {
  const repeated = chain.findIndex(
    (certificate, index) => chain.findIndex((other) => other.sha256 === certificate.sha256) < index,
  )
  const certificate = chain[repeated]
  if (certificate !== undefined) throw refusal('validation-failed', certificate, repeated, 'stands in the chain twice')
}

function leadOf(chain: readonly Certificate[], name: string | undefined): Certificate {
  const lead = name === undefined ? chain[0] : chain.find((certificate) => certificate.commonName === name)
  if (lead !== undefined) return lead
  const names = chain.map((certificate) => certificate.commonName ?? certificate.subject)
  throw new CodedError(
    'validation-failed',
    `No certificate of the chain has the common name ${name}; it has ${names.join(', ')}.`,
  )
}

function refusal(code: ErrorCode, certificate: Certificate, index: number, detail: string): CodedError {
  return new CodedError(code, `Certificate ${index + 1} of the chain (${certificate.subject}) ${detail}.`, {
    details: { certificate: index + 1, subject: certificate.subject },
  })
}
