/**
 * Signature schemes by the numbers of the signature_algorithms extension (RFC 5246 section 7.4.1.4.1, RFC 8446 4.2.3).
 *
 * A server of ours signs with ECDSA, a client with what its certificate's key can: ECDSA, whose hash is not tied to the
 * curve in TLS 1.2, Ed25519 (RFC 8422 section 5.10), or RSA. There is no SHA-1.
 */

import type { CertificateKeyKind } from './certificate-key.ts'

export type SignatureSchemeName =
  | 'ecdsa_sha256'
  | 'ecdsa_sha384'
  | 'ecdsa_sha512'
  | 'ed25519'
  | 'rsa_pss_rsae_sha256'
  | 'rsa_pss_rsae_sha384'
  | 'rsa_pss_rsae_sha512'
  | 'rsa_pkcs1_sha256'
  | 'rsa_pkcs1_sha384'
  | 'rsa_pkcs1_sha512'

export interface SignatureScheme {
  readonly name: SignatureSchemeName
  readonly number: number
  /** Null where the algorithm has its own. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null
  /** PSS salts are as long as the hash (RFC 8446 section 4.2.3). */
  readonly algorithm: 'ecdsa' | 'ed25519' | 'rsa-pss' | 'rsa-pkcs1'
}

export const signatureSchemes: Readonly<Record<SignatureSchemeName, SignatureScheme>> = {
  ecdsa_sha256: { name: 'ecdsa_sha256', number: 0x0403, hash: 'sha256', algorithm: 'ecdsa' },
  ecdsa_sha384: { name: 'ecdsa_sha384', number: 0x0503, hash: 'sha384', algorithm: 'ecdsa' },
  ecdsa_sha512: { name: 'ecdsa_sha512', number: 0x0603, hash: 'sha512', algorithm: 'ecdsa' },
  ed25519: { name: 'ed25519', number: 0x0807, hash: null, algorithm: 'ed25519' },
  rsa_pss_rsae_sha256: { name: 'rsa_pss_rsae_sha256', number: 0x0804, hash: 'sha256', algorithm: 'rsa-pss' },
  rsa_pss_rsae_sha384: { name: 'rsa_pss_rsae_sha384', number: 0x0805, hash: 'sha384', algorithm: 'rsa-pss' },
  rsa_pss_rsae_sha512: { name: 'rsa_pss_rsae_sha512', number: 0x0806, hash: 'sha512', algorithm: 'rsa-pss' },
  rsa_pkcs1_sha256: { name: 'rsa_pkcs1_sha256', number: 0x0401, hash: 'sha256', algorithm: 'rsa-pkcs1' },
  rsa_pkcs1_sha384: { name: 'rsa_pkcs1_sha384', number: 0x0501, hash: 'sha384', algorithm: 'rsa-pkcs1' },
  rsa_pkcs1_sha512: { name: 'rsa_pkcs1_sha512', number: 0x0601, hash: 'sha512', algorithm: 'rsa-pkcs1' },
}

export const signatureSchemeByNumber: ReadonlyMap<number, SignatureScheme> = new Map(
  Object.values(signatureSchemes).map((scheme) => [scheme.number, scheme]),
)

const all = Object.values(signatureSchemes)
const ecdsa = all.filter(({ algorithm }) => algorithm === 'ecdsa').map(({ number }) => number)
const ed25519 = [signatureSchemes.ed25519.number]
const pss = all.filter(({ algorithm }) => algorithm === 'rsa-pss').map(({ number }) => number)
const pkcs1 = all.filter(({ algorithm }) => algorithm === 'rsa-pkcs1').map(({ number }) => number)

/** Announced by our client: ECDSA for the server's handshake, then what chains alone may have been signed with. */
export const announcedSignatureSchemes: readonly number[] = [...ecdsa, ...pkcs1, ...pss]

/** What our server takes in a CertificateVerify, in order of preference, and what chains may have been signed with. */
export const requestedSignatureSchemes: readonly number[] = [...ecdsa, ...ed25519, ...pss, ...pkcs1]

export type CurveName = 'P-256' | 'P-384'

/** Whether a key of this kind can have made a signature of the scheme: no other is even tried. */
export function fitsKey({ algorithm }: SignatureScheme, kind: CertificateKeyKind): boolean {
  switch (algorithm) {
    case 'ecdsa':
      return kind === 'P-256' || kind === 'P-384'
    case 'ed25519':
      return kind === 'Ed25519'
    case 'rsa-pss':
    case 'rsa-pkcs1':
      return kind === 'RSA'
  }
}

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
