/** ServerKeyExchange and ClientKeyExchange with a pre-shared key (RFC 4279 section 2), with ECDHE beside it or not (RFC 5489). */

import { ByteReader, ByteWriter } from '@sallyport/bytes'
import { HandshakeFault } from './handshake-fault.ts'
import { type KeyParameters, readKeyParameters, readPublicKey } from './key-exchange-messages.ts'
import type { NamedGroup } from './named-group.ts'

/** As many as every peer must take (RFC 4279 section 5.3). */
export const maxPskIdentityLength = 128

/** @param parameters as `writeKeyParameters` makes them; undefined for a key exchange without ECDHE. Nothing is signed. */
export function writePskServerKeyExchange(hint: Uint8Array, parameters: Uint8Array | undefined): Uint8Array {
  const writer = new ByteWriter(2 + hint.length + (parameters?.length ?? 0))
  writer.vector16((to) => to.bytes(hint))
  if (parameters !== undefined) writer.bytes(parameters)
  return writer.finish()
}

export interface PskServerKeyExchange {
  readonly identityHint: Uint8Array
  /** Undefined where the suite has no ECDHE. */
  readonly share: KeyParameters | undefined
}

/** @throws CodedError `malformed-bytes`, HandshakeFault for a group or a key that cannot be */
export function readPskServerKeyExchange(body: Uint8Array, ecdhe: boolean): PskServerKeyExchange {
  const reader = new ByteReader(body)
  const identityHint = reader.vector16().rest()
  const share = ecdhe ? readKeyParameters(reader) : undefined
  reader.expectEnd()
  return { identityHint, share }
}

/** @param publicKey undefined for a key exchange without ECDHE */
export function writePskClientKeyExchange(identity: Uint8Array, publicKey: Uint8Array | undefined): Uint8Array {
  const writer = new ByteWriter(3 + identity.length + (publicKey?.length ?? 0))
  writer.vector16((to) => to.bytes(identity))
  if (publicKey !== undefined) writer.vector8((to) => to.bytes(publicKey))
  return writer.finish()
}

export interface PskClientKeyExchange {
  /** 1 to 128 bytes of any kind: RFC 4279 wants UTF-8, and peers that name themselves with raw bytes are no danger. */
  readonly identity: Uint8Array
  readonly publicKey: Uint8Array | undefined
}

/**
 * @param group of our share; undefined where the suite has no ECDHE
 * @throws CodedError `malformed-bytes`, HandshakeFault for an identity or a key that cannot be
 */
export function readPskClientKeyExchange(body: Uint8Array, group: NamedGroup | undefined): PskClientKeyExchange {
  const reader = new ByteReader(body)
  const identity = reader.vector16().rest()
  const publicKey = group === undefined ? undefined : readPublicKey(reader, group)
  reader.expectEnd()
  if (identity.length === 0 || identity.length > maxPskIdentityLength) {
    throw new HandshakeFault('psk-identity-unusable', `a PSK identity of ${identity.length} bytes`)
  }
  return { identity, publicKey }
}
