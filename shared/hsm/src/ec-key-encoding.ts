/** EC keys and signatures between PKCS#11 (raw) and X.509 (DER): RFC 5480, RFC 3279 section 2.2.3, PKCS#11 v2.40 section 2.3. */

import { createPublicKey } from 'node:crypto'
import { concat, fromHex, toHex } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import type { TokenCurve } from './token.ts'

export interface CurveFacts {
  /** CKA_EC_PARAMS: the DER object identifier of the named curve. */
  readonly parameters: Uint8Array
  /** Bytes of one coordinate, and of each half of a raw signature. */
  readonly coordinateBytes: number
  readonly hash: 'sha256' | 'sha384'
  /** DER of a SubjectPublicKeyInfo up to the point. */
  readonly spkiPrefix: Uint8Array
}

export const curveFacts: Readonly<Record<TokenCurve, CurveFacts>> = {
  'P-256': {
    parameters: fromHex('06082a8648ce3d030107'),
    coordinateBytes: 32,
    hash: 'sha256',
    spkiPrefix: fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200'),
  },
  'P-384': {
    parameters: fromHex('06052b81040022'),
    coordinateBytes: 48,
    hash: 'sha384',
    spkiPrefix: fromHex('3076301006072a8648ce3d020106052b81040022036200'),
  },
}

/** Undefined for a curve that we do not use: such a key in the token is none of ours. */
export function curveOf(parameters: Uint8Array): TokenCurve | undefined {
  const wanted = toHex(parameters)
  for (const curve of ['P-256', 'P-384'] as const) if (toHex(curveFacts[curve].parameters) === wanted) return curve
  return undefined
}

/**
 * @param ecPoint CKA_EC_POINT: a DER OCTET STRING around the point by the standard; some modules give the point alone.
 * @throws CodedError `hsm-key-missing` when it is not an uncompressed point on the curve.
 */
export function spkiOf(curve: TokenCurve, ecPoint: Uint8Array): Uint8Array {
  const { coordinateBytes, spkiPrefix } = curveFacts[curve]
  const pointBytes = 1 + 2 * coordinateBytes
  const wrapped = ecPoint.length === pointBytes + 2 && ecPoint[0] === 0x04 && ecPoint[1] === pointBytes
  const spki = concat(spkiPrefix, wrapped ? ecPoint.subarray(2) : ecPoint)
  try {
    createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch (cause) {
    throw new CodedError('hsm-key-missing', `the token's public key is no point on ${curve}`, { cause })
  }
  return spki
}

/** ECDSA-Sig-Value of the r ‖ s that CKM_ECDSA gives. */
export function derSignature(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2
  const r = derInteger(raw.subarray(0, half))
  const s = derInteger(raw.subarray(half))
  // At most 2 · (2 + 49) = 102 bytes, so the short form of the length suffices.
  return concat(Uint8Array.of(0x30, r.length + s.length), r, s)
}

function derInteger(magnitude: Uint8Array): Uint8Array {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++
  const minimal = magnitude.subarray(start)
  const negative = (minimal[0] ?? 0) >= 0x80
  return concat(
    Uint8Array.of(0x02, minimal.length + (negative ? 1 : 0)),
    negative ? Uint8Array.of(0) : Uint8Array.of(),
    minimal,
  )
}
