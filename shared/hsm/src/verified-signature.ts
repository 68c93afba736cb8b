/**
 * A signature that is released only once it has been verified.
 *
 * A token under a fault (a glitch, a wrong key behind a handle, a broken driver) may return a wrong signature; one wrong
 * ECDSA signature can also give away the private key. So nothing leaves before the public key, which the caller knows
 * independently of the token, has verified it.
 */

import { createHash, createPublicKey, verify } from 'node:crypto'
import { CodedError } from '@sallyport/errors'
import { curveFacts, derSignature } from './ec-key-encoding.ts'
import type { TokenCurve } from './token.ts'

/** @throws CodedError `hsm-signature-wrong`, and whatever `signDigest` throws. */
export async function verifiedSignature(
  key: { readonly label: string; readonly curve: TokenCurve; readonly spki: Uint8Array },
  data: Uint8Array,
  signDigest: (digest: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const { hash, coordinateBytes } = curveFacts[key.curve]
  const raw = await signDigest(createHash(hash).update(data).digest())
  const signature = raw.length === 2 * coordinateBytes ? derSignature(raw) : undefined
  if (signature === undefined || !(await verifies(key.spki, hash, data, signature))) {
    throw new CodedError('hsm-signature-wrong', `the token's signature with key ${key.label} does not verify`)
  }
  return signature
}

function verifies(spki: Uint8Array, hash: string, data: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const publicKey = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  return new Promise((resolve, reject) => {
    verify(hash, data, publicKey, signature, (error, valid) => (error === null ? resolve(valid) : reject(error)))
  })
}
