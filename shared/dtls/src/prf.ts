/** The pseudorandom function of TLS 1.2 (RFC 5246 section 5): P_hash over label and seed. */

import type { KeyObject } from 'node:crypto'
import { createHmac, createSecretKey } from 'node:crypto'

export type PrfHash = 'sha256' | 'sha384'

export function prf(
  hash: PrfHash,
  secret: Uint8Array,
  label: string,
  seeds: readonly Uint8Array[],
  length: number,
): Uint8Array {
  // A key object is imported once; raw bytes would be imported anew by each HMAC, at four times the cost.
  const key = createSecretKey(secret)
  const labelAndSeed = [new TextEncoder().encode(label), ...seeds]
  const output = new Uint8Array(length)
  let a = hmac(hash, key, labelAndSeed)
  for (let offset = 0; offset < length; ) {
    const block = hmac(hash, key, [a, ...labelAndSeed])
    output.set(block.subarray(0, length - offset), offset)
    offset += block.length
    if (offset < length) a = hmac(hash, key, [a])
  }
  return output
}

function hmac(hash: PrfHash, key: KeyObject, parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac(hash, key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}
