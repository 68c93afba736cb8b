/** The pseudorandom function of TLS 1.2 (RFC 5246 section 5): P_hash over label and seed. */

import { concat } from '@sallyport/bytes'
import { type HashName, Hmac } from './hmac.ts'

export function prf(
  hash: HashName,
  secret: Uint8Array,
  label: string,
  seeds: readonly Uint8Array[],
  length: number,
): Uint8Array {
  const hmac = new Hmac(hash, secret)
  const labelAndSeed = concat(Buffer.from(label, 'latin1'), ...seeds)
  const output = new Uint8Array(length)
  let a = hmac.of(labelAndSeed)
  for (let offset = 0; offset < length; ) {
    const block = hmac.of(a, labelAndSeed)
    output.set(block.subarray(0, length - offset), offset)
    offset += block.length
    if (offset < length) a = hmac.of(a)
  }
  return output
}
