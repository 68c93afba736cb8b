/**
 * Signature schemes by the numbers of the signature_algorithms extension (RFC 5246 section 7.4.1.4.1, RFC 8446 4.2.3).
 *
 * In a handshake only ECDSA signs; in TLS 1.2 the hash is not tied to the curve. The RSA numbers are announced for the
 * certificates above a leaf, which may have been signed with RSA. There is no SHA-1.
 */

export type SignatureSchemeName = 'ecdsa_sha256' | 'ecdsa_sha384' | 'ecdsa_sha512'

export interface SignatureScheme {
  readonly name: SignatureSchemeName
  readonly number: number
  readonly hash: 'sha256' | 'sha384' | 'sha512'
}

export const signatureSchemes: Readonly<Record<SignatureSchemeName, SignatureScheme>> = {
  ecdsa_sha256: { name: 'ecdsa_sha256', number: 0x0403, hash: 'sha256' },
  ecdsa_sha384: { name: 'ecdsa_sha384', number: 0x0503, hash: 'sha384' },
  ecdsa_sha512: { name: 'ecdsa_sha512', number: 0x0603, hash: 'sha512' },
}

export const signatureSchemeByNumber: ReadonlyMap<number, SignatureScheme> = new Map(
  Object.values(signatureSchemes).map((scheme) => [scheme.number, scheme]),
)

/** Announced to the peer: ours for the handshake, then PKCS#1 and PSS with SHA-256, 384, 512 for chains alone. */
export const announcedSignatureSchemes: readonly number[] = [
  signatureSchemes.ecdsa_sha256.number,
  signatureSchemes.ecdsa_sha384.number,
  signatureSchemes.ecdsa_sha512.number,
  0x0401,
  0x0501,
  0x0601,
  0x0804,
  0x0805,
  0x0806,
]

export type CurveName = 'P-256' | 'P-384'

/** The hash as strong as the curve first (RFC 7925 section 4.4), then stronger, then weaker. */
const preferredSchemes: Readonly<Record<CurveName, readonly SignatureSchemeName[]>> = {
  'P-256': ['ecdsa_sha256', 'ecdsa_sha384', 'ecdsa_sha512'],
  'P-384': ['ecdsa_sha384', 'ecdsa_sha512', 'ecdsa_sha256'],
}

/** What a key of this curve signs with for a peer that takes `offered`; undefined when there is nothing in common. */
export function chooseSignatureScheme(curve: CurveName, offered: readonly number[]): SignatureScheme | undefined {
  for (const name of preferredSchemes[curve]) {
    if (offered.includes(signatureSchemes[name].number)) return signatureSchemes[name]
  }
  return undefined
}
