/** ServerKeyExchange and ClientKeyExchange with ephemeral ECDH (RFC 8422 sections 5.4, 5.7). */

import { ByteReader, ByteWriter, concat } from '@sallyport/bytes'
import { type DigitallySigned, readDigitallySigned, writeDigitallySigned } from './certificate-messages.ts'
import { HandshakeFault } from './handshake-fault.ts'
import { hasPublicKeyShape, type NamedGroup, namedGroupByNumber } from './named-group.ts'

/** curve_type named_curve; explicit parameters have no way in. */
const namedCurve = 3

/** What the server signs after the two randoms: the group and its public key. */
export function writeKeyParameters(group: NamedGroup, publicKey: Uint8Array): Uint8Array {
  const writer = new ByteWriter(4 + publicKey.length)
  return writer
    .u8(namedCurve)
    .u16(group.number)
    .vector8((key) => key.bytes(publicKey))
    .finish()
}

export const signedKeyParameters = (clientRandom: Uint8Array, serverRandom: Uint8Array, parameters: Uint8Array) =>
  concat(clientRandom, serverRandom, parameters)

export function writeServerKeyExchange(parameters: Uint8Array, signed: DigitallySigned): Uint8Array {
  const writer = new ByteWriter(parameters.length + 128)
  writer.bytes(parameters)
  writeDigitallySigned(writer, signed)
  return writer.finish()
}

export interface ServerKeyExchange {
  readonly group: NamedGroup
  readonly publicKey: Uint8Array
  /** The bytes that are signed. */
  readonly parameters: Uint8Array
  readonly signed: DigitallySigned
}

/** @throws CodedError `malformed-bytes`, HandshakeFault for a group or a key that cannot be */
export function readServerKeyExchange(body: Uint8Array): ServerKeyExchange {
  const reader = new ByteReader(body)
  const { group, publicKey } = readKeyParameters(reader)
  const parameters = body.subarray(0, reader.offset)
  return { group, publicKey, parameters, signed: readDigitallySigned(reader) }
}

export interface KeyParameters {
  readonly group: NamedGroup
  readonly publicKey: Uint8Array
}

/** @throws CodedError `malformed-bytes`, HandshakeFault for a group or a key that cannot be */
export function readKeyParameters(reader: ByteReader): KeyParameters {
  if (reader.u8() !== namedCurve) throw new HandshakeFault('choice-not-offered', 'not a named curve')
  const group = namedGroupByNumber.get(reader.u16())
  if (group === undefined) throw new HandshakeFault('choice-not-offered', 'a group that was not offered')
  const publicKey = reader.vector8().rest()
  requireShape(group, publicKey)
  return { group, publicKey }
}

export function writeClientKeyExchange(publicKey: Uint8Array): Uint8Array {
  return new ByteWriter(1 + publicKey.length).vector8((key) => key.bytes(publicKey)).finish()
}

/** The client's public key, as a view. @throws CodedError `malformed-bytes`, HandshakeFault */
export function readClientKeyExchange(body: Uint8Array, group: NamedGroup): Uint8Array {
  const reader = new ByteReader(body)
  const publicKey = readPublicKey(reader, group)
  reader.expectEnd()
  return publicKey
}

/** @throws CodedError `malformed-bytes`, HandshakeFault */
export function readPublicKey(reader: ByteReader, group: NamedGroup): Uint8Array {
  const publicKey = reader.vector8().rest()
  requireShape(group, publicKey)
  return publicKey
}

function requireShape(group: NamedGroup, publicKey: Uint8Array): void {
  if (!hasPublicKeyShape(group, publicKey)) {
    throw new HandshakeFault('public-key-invalid', `not an uncompressed public key of ${group.name}`)
  }
}
