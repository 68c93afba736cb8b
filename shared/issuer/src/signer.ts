/**
 * The port to a signing key: an HSM's in services, one in memory for manufacturers' development keys and for lint.
 */

import { createPublicKey, type KeyObject, sign } from 'node:crypto'
import { CodedError } from '@sallyport/errors'
import { derObjectIdentifier, derSequence, parseSpki, signatureAlgorithmId } from '@sallyport/pki'

export interface Signer {
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array
  /** A signature over `data`, hashed as its curve wants: P-256 with SHA-256, P-384 with SHA-384; ECDSA in DER, or Ed25519. */
  sign(data: Uint8Array): Promise<Uint8Array>
}

const algorithms = {
  'P-256': { hash: 'sha256', identifier: signatureAlgorithmId.ecdsaWithSha256 },
  'P-384': { hash: 'sha384', identifier: signatureAlgorithmId.ecdsaWithSha384 },
  Ed25519: { hash: null, identifier: signatureAlgorithmId.ed25519 },
} as const

function algorithmOf(spki: Uint8Array): (typeof algorithms)[keyof typeof algorithms] {
  const { type, description } = parseSpki(spki)
  if (type === 'P-256' || type === 'P-384' || type === 'Ed25519') return algorithms[type]
  throw new CodedError('issuance-refused', `no certificate is signed with ${description}`)
}

/** DER AlgorithmIdentifier of what a signer with this key makes. @throws CodedError `issuance-refused` for another key type. */
export const signatureAlgorithmOf = (spki: Uint8Array): Uint8Array =>
  derSequence(derObjectIdentifier(algorithmOf(spki).identifier))

/** A signer whose key lies in this process's memory: never for an installation's authorities. */
export function softwareSigner(privateKey: KeyObject): Signer {
  const publicKey = new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }))
  const { hash } = algorithmOf(publicKey)
  return { publicKey, sign: async (data) => new Uint8Array(sign(hash, data, privateKey)) }
}
