/** Object identifiers by name, with the document that assigns them. */

/** Certificate extensions (RFC 5280 section 4.2). */
export const extensionId = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  issuerAltName: '2.5.29.18',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  cRLDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extKeyUsage: '2.5.29.37',
  inhibitAnyPolicy: '2.5.29.54',
} as const

/** RFC 5280 section 4.2.1.4. */
export const anyPolicyId = '2.5.29.32.0'

/** Extended key usages: RFC 5280 section 4.2.1.12, and the OCF identity certificate's (OCF Security Specification). */
export const extendedKeyUsageId = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  ocfIdentity: '1.3.6.1.4.1.44924.1.6',
} as const

/** RFC 5480, RFC 8410, RFC 3279, RFC 4055. */
export const keyAlgorithmId = {
  ecPublicKey: '1.2.840.10045.2.1',
  ed25519: '1.3.101.112',
  rsaEncryption: '1.2.840.113549.1.1.1',
} as const

/** RFC 5480 section 2.1.1.1; the refused ones are named so that a refusal can say what it saw. */
export const namedCurveId = {
  'P-256': '1.2.840.10045.3.1.7',
  'P-384': '1.3.132.0.34',
  'P-521': '1.3.132.0.35',
  'P-192': '1.2.840.10045.3.1.1',
  'P-224': '1.3.132.0.33',
  secp256k1: '1.3.132.0.10',
  brainpoolP256r1: '1.3.36.3.3.2.8.1.1.7',
  brainpoolP384r1: '1.3.36.3.3.2.8.1.1.11',
  brainpoolP512r1: '1.3.36.3.3.2.8.1.1.13',
} as const

/** RFC 5758, RFC 4055, RFC 8410; the last three are named to be refused by name. */
export const signatureAlgorithmId = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  ecdsaWithSha512: '1.2.840.10045.4.3.4',
  sha256WithRsaEncryption: '1.2.840.113549.1.1.11',
  sha384WithRsaEncryption: '1.2.840.113549.1.1.12',
  sha512WithRsaEncryption: '1.2.840.113549.1.1.13',
  rsassaPss: '1.2.840.113549.1.1.10',
  ed25519: '1.3.101.112',
  ecdsaWithSha1: '1.2.840.10045.4.1',
  sha1WithRsaEncryption: '1.2.840.113549.1.1.5',
  md5WithRsaEncryption: '1.2.840.113549.1.1.4',
} as const

/** RFC 4055. */
export const hashAlgorithmId = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
} as const

export const maskGenerationFunction1Id = '1.2.840.113549.1.1.8'

/** Attribute types of distinguished names with their RFC 4514 section 3 short names (and those in common use). */
export const attributeTypeId = {
  CN: '2.5.4.3',
  serialNumber: '2.5.4.5',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  STREET: '2.5.4.9',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  UID: '0.9.2342.19200300.100.1.1',
  DC: '0.9.2342.19200300.100.1.25',
  emailAddress: '1.2.840.113549.1.9.1',
} as const

/** The name under which an identifier stands in a table here, or the identifier itself. */
export function nameIn(table: Readonly<Record<string, string>>, identifier: string): string {
  for (const name in table) if (table[name] === identifier) return name
  return identifier
}
