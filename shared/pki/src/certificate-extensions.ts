/**
 * Certificate extensions (RFC 5280 section 4.2): those that path validation reads are parsed, all are listed.
 *
 * Refuses an extension that occurs twice and a known one that does not parse. Whether an unknown critical one is there
 * is for path validation to judge.
 */

import { CodedError } from '@sallyport/errors'
import {
  bitString,
  booleanValue,
  contextTag,
  DerReader,
  derTag,
  objectIdentifier,
  singleElement,
  smallInteger,
} from './der-reader.ts'
import { type GeneralName, parseGeneralName, parseGeneralNames } from './general-name.ts'
import { extensionId } from './object-identifiers.ts'

/** RFC 5280 section 4.2.1.3; the position in the list is the bit. */
export const keyUsageBits = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const

export type KeyUsage = (typeof keyUsageBits)[number]

export interface BasicConstraints {
  readonly isCa: boolean
  readonly pathLength: number | undefined
}

export interface NameConstraints {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

export interface PolicyMapping {
  readonly issuer: string
  readonly subject: string
}

/** How many more certificates may go by before the demand holds; undefined where there is none. */
export interface PolicyConstraints {
  readonly requireExplicitPolicy: number | undefined
  readonly inhibitPolicyMapping: number | undefined
}

export interface ListedExtension {
  readonly id: string
  readonly critical: boolean
  /** Contents of the extnValue OCTET STRING. */
  readonly value: Uint8Array
}

/** `undefined` means that the extension is absent. */
export interface CertificateExtensions {
  readonly listed: readonly ListedExtension[]
  readonly basicConstraints: BasicConstraints | undefined
  readonly keyUsage: ReadonlySet<KeyUsage> | undefined
  readonly extendedKeyUsage: ReadonlySet<string> | undefined
  readonly subjectAlternativeNames: readonly GeneralName[] | undefined
  readonly nameConstraints: NameConstraints | undefined
  /** Policy identifiers; qualifiers are not read. */
  readonly certificatePolicies: ReadonlySet<string> | undefined
  readonly policyMappings: readonly PolicyMapping[] | undefined
  readonly policyConstraints: PolicyConstraints | undefined
  readonly inhibitAnyPolicy: number | undefined
  readonly subjectKeyIdentifier: Uint8Array | undefined
  readonly authorityKeyIdentifier: Uint8Array | undefined
}

/** @param contents of the SEQUENCE OF Extension. @throws CodedError `malformed-bytes`. */
export function parseExtensions(contents: Uint8Array): CertificateExtensions {
  const listed = listExtensions(contents)
  const value = <Parsed>(id: string, parse: (value: Uint8Array) => Parsed): Parsed | undefined => {
    const found = listed.find((extension) => extension.id === id)
    return found === undefined ? undefined : parse(found.value)
  }
  return {
    listed,
    basicConstraints: value(extensionId.basicConstraints, parseBasicConstraints),
    keyUsage: value(extensionId.keyUsage, parseKeyUsage),
    extendedKeyUsage: value(extensionId.extKeyUsage, parseExtendedKeyUsage),
    subjectAlternativeNames: value(extensionId.subjectAltName, parseSubjectAlternativeNames),
    nameConstraints: value(extensionId.nameConstraints, parseNameConstraints),
    certificatePolicies: value(extensionId.certificatePolicies, parseCertificatePolicies),
    policyMappings: value(extensionId.policyMappings, parsePolicyMappings),
    policyConstraints: value(extensionId.policyConstraints, parsePolicyConstraints),
    inhibitAnyPolicy: value(extensionId.inhibitAnyPolicy, parseInhibitAnyPolicy),
    subjectKeyIdentifier: value(extensionId.subjectKeyIdentifier, parseSubjectKeyIdentifier),
    authorityKeyIdentifier: value(extensionId.authorityKeyIdentifier, parseAuthorityKeyIdentifier),
  }
}

export const noExtensions: CertificateExtensions = {
  listed: [],
  basicConstraints: undefined,
  keyUsage: undefined,
  extendedKeyUsage: undefined,
  subjectAlternativeNames: undefined,
  nameConstraints: undefined,
  certificatePolicies: undefined,
  policyMappings: undefined,
  policyConstraints: undefined,
  inhibitAnyPolicy: undefined,
  subjectKeyIdentifier: undefined,
  authorityKeyIdentifier: undefined,
}

function listExtensions(contents: Uint8Array): ListedExtension[] {
  const reader = new DerReader(contents)
  const listed: ListedExtension[] = []
  const seen = new Set<string>()
  while (!reader.atEnd) {
    const fields = reader.sequence('an extension')
    const id = objectIdentifier(fields.expect(derTag.objectIdentifier, "an extension's identifier"), 'it')
    const criticalField = fields.optional(derTag.boolean)
    const critical = criticalField !== undefined && booleanValue(criticalField, 'critical')
    const value = fields.expect(derTag.octetString, "an extension's value").contents
    fields.expectEnd('an extension')
    if (seen.has(id)) throw new CodedError('malformed-bytes', `the extension ${id} occurs twice`)
    seen.add(id)
    listed.push({ id, critical, value })
  }
  if (listed.length === 0) throw new CodedError('malformed-bytes', 'an empty list of extensions')
  return listed
}

function parseBasicConstraints(value: Uint8Array): BasicConstraints {
  const reader = new DerReader(singleElement(value, derTag.sequence, 'basicConstraints').contents)
  const caField = reader.optional(derTag.boolean)
  const lengthField = reader.optional(derTag.integer)
  reader.expectEnd('basicConstraints')
  const isCa = caField !== undefined && booleanValue(caField, 'cA')
  const pathLength = lengthField === undefined ? undefined : smallInteger(lengthField, 'pathLenConstraint')
  if (!isCa && pathLength !== undefined) {
    throw new CodedError('malformed-bytes', 'basicConstraints has a path length but is not a CA')
  }
  return { isCa, pathLength }
}

function parseKeyUsage(value: Uint8Array): ReadonlySet<KeyUsage> {
  const { octets } = bitString(singleElement(value, derTag.bitString, 'keyUsage'), 'keyUsage')
  const usages = new Set<KeyUsage>()
  for (const [bit, usage] of keyUsageBits.entries()) {
    if (((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0) usages.add(usage)
  }
  return usages
}

function parseExtendedKeyUsage(value: Uint8Array): ReadonlySet<string> {
  const reader = new DerReader(singleElement(value, derTag.sequence, 'extKeyUsage').contents)
  const usages = new Set<string>()
  while (!reader.atEnd) {
    usages.add(objectIdentifier(reader.expect(derTag.objectIdentifier, 'an extended key usage'), 'extKeyUsage'))
  }
  if (usages.size === 0) throw new CodedError('malformed-bytes', 'extKeyUsage is empty')
  return usages
}

function parseSubjectAlternativeNames(value: Uint8Array): readonly GeneralName[] {
  const names = parseGeneralNames(singleElement(value, derTag.sequence, 'subjectAltName').contents, 'subjectAltName')
  if (names.length === 0) throw new CodedError('malformed-bytes', 'subjectAltName is empty')
  for (const name of names) {
    if (name.kind === 'ip' && name.octets.length !== 4 && name.octets.length !== 16) {
      throw new CodedError('malformed-bytes', 'subjectAltName: an IP address of neither 4 nor 16 octets')
    }
  }
  return names
}

function parseNameConstraints(value: Uint8Array): NameConstraints {
  const reader = new DerReader(singleElement(value, derTag.sequence, 'nameConstraints').contents)
  const permitted = subtrees(reader.optional(contextTag(0, 'constructed'))?.contents)
  const excluded = subtrees(reader.optional(contextTag(1, 'constructed'))?.contents)
  reader.expectEnd('nameConstraints')
  return { permitted, excluded }
}

function subtrees(contents: Uint8Array | undefined): readonly GeneralName[] {
  if (contents === undefined) return []
  const reader = new DerReader(contents)
  const bases: GeneralName[] = []
  while (!reader.atEnd) {
    const subtree = reader.sequence('a name constraint')
    const base = parseGeneralName(subtree.next(), 'a name constraint')
    // RFC 5280 section 4.2.1.10: minimum is always 0 (so, in DER, absent) and maximum is absent.
    subtree.expectEnd('a name constraint')
    if (base.kind === 'ip' && base.octets.length !== 8 && base.octets.length !== 32) {
      throw new CodedError('malformed-bytes', 'a name constraint: an IP range of neither 8 nor 32 octets')
    }
    bases.push(base)
  }
  return bases
}

function parseCertificatePolicies(value: Uint8Array): ReadonlySet<string> {
  const reader = new DerReader(singleElement(value, derTag.sequence, 'certificatePolicies').contents)
  const policies = new Set<string>()
  while (!reader.atEnd) {
    const information = reader.sequence('a policy')
    const policy = objectIdentifier(information.expect(derTag.objectIdentifier, 'a policy'), 'a policy')
    information.optional(derTag.sequence)
    information.expectEnd('a policy')
    if (policies.has(policy)) throw new CodedError('malformed-bytes', `the policy ${policy} stands twice`)
    policies.add(policy)
  }
  if (policies.size === 0) throw new CodedError('malformed-bytes', 'certificatePolicies is empty')
  return policies
}

function parsePolicyMappings(value: Uint8Array): readonly PolicyMapping[] {
  const reader = new DerReader(singleElement(value, derTag.sequence, 'policyMappings').contents)
  const mappings: PolicyMapping[] = []
  while (!reader.atEnd) {
    const pair = reader.sequence('a policy mapping')
    const issuer = objectIdentifier(pair.expect(derTag.objectIdentifier, 'a policy mapping'), 'a policy')
    const subject = objectIdentifier(pair.expect(derTag.objectIdentifier, 'a policy mapping'), 'a policy')
    pair.expectEnd('a policy mapping')
    mappings.push({ issuer, subject })
  }
  if (mappings.length === 0) throw new CodedError('malformed-bytes', 'policyMappings is empty')
  return mappings
}

function parsePolicyConstraints(value: Uint8Array): PolicyConstraints {
  const reader = new DerReader(singleElement(value, derTag.sequence, 'policyConstraints').contents)
  const explicit = reader.optional(contextTag(0, 'primitive'))
  const mapping = reader.optional(contextTag(1, 'primitive'))
  reader.expectEnd('policyConstraints')
  if (explicit === undefined && mapping === undefined) {
    throw new CodedError('malformed-bytes', 'policyConstraints is empty')
  }
  return {
    requireExplicitPolicy: explicit === undefined ? undefined : smallInteger(explicit, 'requireExplicitPolicy'),
    inhibitPolicyMapping: mapping === undefined ? undefined : smallInteger(mapping, 'inhibitPolicyMapping'),
  }
}

const parseInhibitAnyPolicy = (value: Uint8Array): number =>
  smallInteger(singleElement(value, derTag.integer, 'inhibitAnyPolicy'), 'inhibitAnyPolicy')

const parseSubjectKeyIdentifier = (value: Uint8Array): Uint8Array =>
  singleElement(value, derTag.octetString, 'subjectKeyIdentifier').contents

function parseAuthorityKeyIdentifier(value: Uint8Array): Uint8Array | undefined {
  const reader = new DerReader(singleElement(value, derTag.sequence, 'authorityKeyIdentifier').contents)
  const identifier = reader.optional(contextTag(0, 'primitive'))?.contents
  reader.optional(contextTag(1, 'constructed'))
  reader.optional(contextTag(2, 'primitive'))
  reader.expectEnd('authorityKeyIdentifier')
  return identifier
}
