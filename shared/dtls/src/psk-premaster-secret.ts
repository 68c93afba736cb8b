/** The premaster secret of a key exchange with a pre-shared key (RFC 4279 section 2, RFC 5489 section 2). */

import { ByteWriter } from '@sallyport/bytes'

/** @param sharedSecret of ECDHE; undefined: the key alone, in whose place as many zeros stand */
export function pskPremasterSecret(key: Uint8Array, sharedSecret: Uint8Array | undefined): Uint8Array {
  const other = sharedSecret ?? new Uint8Array(key.length)
  return new ByteWriter(4 + other.length + key.length)
    .vector16((to) => to.bytes(other))
    .vector16((to) => to.bytes(key))
    .finish()
}
