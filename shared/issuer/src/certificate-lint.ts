/**
 * Lint: a second, independent look at a certificate before it is signed for good.
 *
 * It reads the DER back and compares what it says with the profile, so that a fault of the encoder or of a caller is
 * found while the signature is still a throwaway's. It checks no signature.
 */

import { between, days } from '@sallyport/clock'
import { isCodedError } from '@sallyport/errors'
import {
  type Certificate,
  deviceIdFromCommonName,
  extendedKeyUsageId,
  extensionId,
  type GeneralName,
  parseCertificate,
} from '@sallyport/pki'
import { type CertificateProfile, certificateProfiles, type ProfileRules } from './certificate-profile.ts'

/** What is wrong with the certificate by its profile, a sentence each; empty when nothing is. */
export function lintCertificate(der: Uint8Array, profile: CertificateProfile): readonly string[] {
  const rules = certificateProfiles[profile]
  const certificate = parsed(der)
  if (typeof certificate === 'string') return [certificate]
  return [
    ...lintFields(certificate, rules),
    ...lintUsages(certificate, rules),
    ...lintExtensionList(certificate, rules),
    ...lintNames(certificate, rules),
  ]
}

function parsed(der: Uint8Array): Certificate | string {
  try {
    return parseCertificate(der)
  } catch (error) {
    if (!isCodedError(error)) throw error
    return error.message
  }
}

function lintFields(certificate: Certificate, rules: ProfileRules): string[] {
  const findings: string[] = []
  const lifetime = between(certificate.notBefore, certificate.notAfter)
  if (lifetime === 0) findings.push('notAfter is not after notBefore')
  if (lifetime > days(rules.maxDays)) findings.push(`it lives longer than ${rules.maxDays} days`)
  if (certificate.serialNumber.length < 16) findings.push('the serial number has less than 64 bits')
  if (certificate.signatureAlgorithm.kind === 'refused') findings.push('the signature algorithm is not accepted')
  if (!['P-256', 'P-384', 'Ed25519'].includes(certificate.keyType)) {
    findings.push(`the key is ${certificate.publicKey.description}`)
  }
  if ((certificate.commonName ?? '') === '') findings.push('the subject has no common name')
  for (const { text } of certificate.subjectName.relativeNames.flat()) {
    // RFC 5280 appendix A.1: ub-common-name and ub-organization-name are 64 characters.
    if ([...text].length > 64) findings.push('a part of the subject has more than 64 characters')
    if (/[\u0000-\u001f\u007f]/.test(text)) findings.push('a part of the subject has a control character')
  }
  return findings
}

function lintUsages({ extensions }: Certificate, rules: ProfileRules): string[] {
  const findings: string[] = []
  const { basicConstraints, keyUsage, extendedKeyUsage, subjectKeyIdentifier } = extensions
  if (basicConstraints?.isCa !== (rules.authority !== undefined)) findings.push('basicConstraints has the wrong cA')
  if (basicConstraints?.pathLength !== rules.authority?.pathLength) findings.push('the path length is wrong')
  if (!sameSet(keyUsage ?? new Set(), rules.keyUsage)) findings.push("the key usage is not the profile's")
  const usages = rules.extendedKeyUsage.map((usage) => extendedKeyUsageId[usage])
  if (!sameSet(extendedKeyUsage ?? new Set(), usages)) findings.push("the extended key usage is not the profile's")
  if (subjectKeyIdentifier?.length !== 20) findings.push('the subject key identifier has not 20 octets')
  return findings
}

const sameSet = (found: ReadonlySet<string>, wanted: readonly string[]): boolean =>
  found.size === wanted.length && wanted.every((item) => found.has(item))

function lintExtensionList(certificate: Certificate, rules: ProfileRules): string[] {
  const wanted = new Map<string, boolean>([
    [extensionId.basicConstraints, true],
    [extensionId.keyUsage, true],
    [extensionId.subjectKeyIdentifier, false],
  ])
  if (rules.extendedKeyUsage.length > 0) wanted.set(extensionId.extKeyUsage, false)
  if (rules.alternativeNames !== 'none') wanted.set(extensionId.subjectAltName, false)
  if (!certificate.selfIssued) wanted.set(extensionId.authorityKeyIdentifier, false)
  const { listed } = certificate.extensions
  const findings = listed
    .filter(({ id, critical }) => wanted.get(id) !== critical)
    .map(({ id }) => `the extension ${id} is not wanted, or not with that criticality`)
  for (const id of wanted.keys()) {
    if (!listed.some((extension) => extension.id === id)) findings.push(`the extension ${id} is missing`)
  }
  return findings
}

function lintNames(certificate: Certificate, rules: ProfileRules): string[] {
  const names = certificate.extensions.subjectAlternativeNames ?? []
  if (rules.alternativeNames === 'device-id') {
    const deviceId = deviceIdFromCommonName(certificate.commonName)
    const [name] = names
    const fits = names.length === 1 && name?.kind === 'uri' && name.text === `urn:uuid:${deviceId}`
    return deviceId !== undefined && fits ? [] : ['the names are not those of one device']
  }
  return names.filter((name) => !isSound(name)).map(() => 'an alternative name is not sound')
}

const hostName = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/

function isSound(name: GeneralName): boolean {
  switch (name.kind) {
    case 'dns':
      return hostName.test(name.text)
    case 'uri':
      return /^[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/.test(name.text)
    case 'ip':
      return true
    case 'email':
    case 'directory':
    case 'other':
      return false
  }
}
