/**
 * tbsCertificate (RFC 5280 section 4.1) from a profile, names, a key and dates.
 */

import { createHash } from 'node:crypto'
import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import {
  type Certificate,
  derBoolean,
  derContext,
  derContextPrimitive,
  derElement,
  derInteger,
  derNamedBits,
  derObjectIdentifier,
  derOctetString,
  derSequence,
  derTime,
  derUnsigned,
  deviceIdFromCommonName,
  encodeGeneralName,
  encodeName,
  extendedKeyUsageId,
  extensionId,
  keyUsageBits,
  parseSpki,
  type WrittenName,
} from '@sallyport/pki'
import { type CertificateProfile, certificateProfiles, type ProfileRules } from './certificate-profile.ts'

export interface CertificateSubject {
  readonly commonName: string
  readonly organization?: string
  /** Only for profiles that take them from the caller. */
  readonly subjectAlternativeNames?: readonly WrittenName[]
}

export interface CertificateTemplate {
  readonly profile: CertificateProfile
  readonly subject: CertificateSubject
  /** DER SubjectPublicKeyInfo of the subject. */
  readonly spki: Uint8Array
  /** Absent: the certificate is self-signed. */
  readonly issuer: Certificate | undefined
  /** Unsigned, big-endian, 8 to 20 octets without sign; our own have 136 random bits. */
  readonly serialNumber: Uint8Array
  readonly notBefore: Instant
  readonly notAfter: Instant
  /** DER AlgorithmIdentifier of the signature that will be made. */
  readonly signatureAlgorithm: Uint8Array
}

/** DER of tbsCertificate. @throws CodedError `issuance-refused` for names that the profile does not allow. */
export function encodeToBeSigned(template: CertificateTemplate): Uint8Array {
  const rules = certificateProfiles[template.profile]
  const subject = encodeName(template.subject)
  return derSequence(
    derContext(0, derInteger(2)),
    derUnsigned(template.serialNumber),
    template.signatureAlgorithm,
    template.issuer?.subjectDer ?? subject,
    derSequence(derTime(template.notBefore), derTime(template.notAfter)),
    subject,
    template.spki,
    derContext(3, derSequence(...extensions(template, rules))),
  )
}

function extensions(template: CertificateTemplate, rules: ProfileRules): Uint8Array[] {
  const names = alternativeNames(template, rules)
  const issuerKeyIdentifier = template.issuer?.extensions.subjectKeyIdentifier
  return [
    extension(extensionId.basicConstraints, 'critical', basicConstraints(rules)),
    extension(
      extensionId.keyUsage,
      'critical',
      derNamedBits(rules.keyUsage.map((usage) => keyUsageBits.indexOf(usage))),
    ),
    ...(rules.extendedKeyUsage.length === 0
      ? []
      : [extension(extensionId.extKeyUsage, 'plain', extendedKeyUsage(rules))]),
    ...(names.length === 0
      ? []
      : [extension(extensionId.subjectAltName, 'plain', derSequence(...names.map(encodeGeneralName)))]),
    extension(extensionId.subjectKeyIdentifier, 'plain', derOctetString(keyIdentifier(template.spki))),
    ...(issuerKeyIdentifier === undefined
      ? []
      : [
          extension(
            extensionId.authorityKeyIdentifier,
            'plain',
            derSequence(derContextPrimitive(0, issuerKeyIdentifier)),
          ),
        ]),
  ]
}

const extension = (id: string, criticality: 'critical' | 'plain', value: Uint8Array): Uint8Array =>
  derSequence(derObjectIdentifier(id), ...(criticality === 'critical' ? [derBoolean(true)] : []), derOctetString(value))

/** FALSE is the default and therefore not encoded: an end entity has an empty SEQUENCE. */
const basicConstraints = ({ authority }: ProfileRules): Uint8Array =>
  authority === undefined ? derSequence() : derSequence(derBoolean(true), derInteger(authority.pathLength))

const extendedKeyUsage = (rules: ProfileRules): Uint8Array =>
  derSequence(...rules.extendedKeyUsage.map((usage) => derObjectIdentifier(extendedKeyUsageId[usage])))

/** RFC 7093 section 2, method 1: the leftmost 160 bits of SHA-256 over the key. */
const keyIdentifier = (spki: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha256').update(parseSpki(spki).keyBits).digest()).subarray(0, 20)

function alternativeNames({ subject, profile }: CertificateTemplate, rules: ProfileRules): readonly WrittenName[] {
  const given = subject.subjectAlternativeNames ?? []
  switch (rules.alternativeNames) {
    case 'given':
      if (given.length === 0) throw new CodedError('issuance-refused', `the profile ${profile} needs alternative names`)
      return given
    case 'device-id': {
      if (given.length > 0) throw new CodedError('issuance-refused', `the profile ${profile} makes its own names`)
      const deviceId = deviceIdFromCommonName(subject.commonName)
      if (deviceId === undefined || subject.commonName !== `uuid:${deviceId}`) {
        throw new CodedError('issuance-refused', 'the common name is not uuid:<device id in lower case>')
      }
      return [{ kind: 'uri', text: `urn:uuid:${deviceId}` }]
    }
    case 'none':
      if (given.length > 0) throw new CodedError('issuance-refused', `the profile ${profile} has no alternative names`)
      return []
  }
}

/** A certificate from its parts. */
export const encodeCertificate = (toBeSigned: Uint8Array, algorithm: Uint8Array, signature: Uint8Array): Uint8Array =>
  derSequence(toBeSigned, algorithm, derElement(0x03, Uint8Array.of(0), signature))
