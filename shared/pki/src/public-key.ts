/**
 * SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7): which key it is, and whether it may stand in a chain.
 *
 * Describing a key never fails for a key that is merely refused (P-192, explicit curve parameters, RSA of 1024 bits):
 * the description says what it is, so that the refusal can. Whether a point lies on its curve is checked when the key
 * is loaded.
 */

import { createPublicKey, hash, type KeyObject } from 'node:crypto'
import { toBase64 } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import {
  bitStringOctets,
  type DerElement,
  DerReader,
  derTag,
  integerContents,
  objectIdentifier,
  singleElement,
} from './der-reader.ts'
import { keyAlgorithmId, namedCurveId, nameIn } from './object-identifiers.ts'

export type KeyType = 'P-256' | 'P-384' | 'P-521' | 'Ed25519' | 'RSA' | 'other'

export interface PublicKey {
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  readonly spkiSha256: string
  readonly type: KeyType
  /** For a person: `P-256`, `RSA of 1024 bits`, `an elliptic curve with explicit parameters`. */
  readonly description: string
  /** Bits of an RSA modulus, 0 for the others. */
  readonly modulusBits: number
  /** Contents of subjectPublicKey: what key identifiers are hashed over. */
  readonly keyBits: Uint8Array
}

/** @throws CodedError `malformed-bytes`. */
export function parsePublicKey(element: DerElement): PublicKey {
  const reader = new DerReader(element.contents)
  const algorithm = reader.sequence('the key algorithm')
  const keyBits = bitStringOctets(reader.expect(derTag.bitString, 'the public key'), 'the public key')
  reader.expectEnd('the public key')
  const identifier = objectIdentifier(
    algorithm.expect(derTag.objectIdentifier, 'the key algorithm'),
    'the key algorithm',
  )
  const parameters = algorithm.atEnd ? undefined : algorithm.next()
  algorithm.expectEnd('the key algorithm')
  return {
    spki: element.encoded,
    spkiSha256: hash('sha256', element.encoded),
    keyBits,
    ...described(identifier, parameters, keyBits),
  }
}

/** @throws CodedError `malformed-bytes`. */
export const parseSpki = (spki: Uint8Array): PublicKey =>
  parsePublicKey(singleElement(spki, derTag.sequence, 'the public key'))

type Description = Pick<PublicKey, 'type' | 'description' | 'modulusBits'>

const other = (description: string): Description => ({ type: 'other', description, modulusBits: 0 })

function described(identifier: string, parameters: DerElement | undefined, keyBits: Uint8Array): Description {
  switch (identifier) {
    case keyAlgorithmId.ecPublicKey:
      return describedCurve(parameters, keyBits)
    case keyAlgorithmId.ed25519:
      if (parameters !== undefined || keyBits.length !== 32) return other('a broken Ed25519 key')
      return { type: 'Ed25519', description: 'Ed25519', modulusBits: 0 }
    case keyAlgorithmId.rsaEncryption:
      return describedRsa(keyBits)
    default:
      return other(`a key of algorithm ${identifier}`)
  }
}

const fieldBytes = { 'P-256': 32, 'P-384': 48, 'P-521': 66 } as const

function describedCurve(parameters: DerElement | undefined, keyBits: Uint8Array): Description {
  // RFC 5480 section 2.1.1 allows named curves only: with explicit parameters a peer brings its own generator, under
  // which it can hold "the key" of anyone (CVE-2020-0601).
  if (parameters?.tag !== derTag.objectIdentifier) return other('an elliptic curve with explicit parameters')
  const curve = nameIn(namedCurveId, objectIdentifier(parameters, 'the curve'))
  if (curve !== 'P-256' && curve !== 'P-384' && curve !== 'P-521') return other(`an elliptic curve key on ${curve}`)
  // RFC 7925 section 4.4: uncompressed points.
  if (keyBits[0] !== 4 || keyBits.length !== 1 + 2 * fieldBytes[curve]) {
    return other(`a ${curve} key whose point is not uncompressed`)
  }
  return { type: curve, description: curve, modulusBits: 0 }
}

function describedRsa(keyBits: Uint8Array): Description {
  const reader = new DerReader(singleElement(keyBits, derTag.sequence, 'the RSA key').contents)
  const modulus = unsigned(reader.expect(derTag.integer, 'the RSA modulus'), 'the RSA modulus')
  const exponent = unsigned(reader.expect(derTag.integer, 'the RSA exponent'), 'the RSA exponent')
  reader.expectEnd('the RSA key')
  const modulusBits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
  const isOne = exponent.length === 1 && exponent[0] === 1
  const isEven = ((exponent[exponent.length - 1] ?? 0) & 1) === 0
  if (isOne || isEven || exponent.length > 8) return other(`RSA of ${modulusBits} bits with an unsafe exponent`)
  return { type: 'RSA', description: `RSA of ${modulusBits} bits`, modulusBits }
}

function unsigned(element: DerElement, what: string): Uint8Array {
  const contents = integerContents(element, what)
  if ((contents[0] as number) >= 0x80) throw new CodedError('malformed-bytes', `${what} is negative`)
  return contents[0] === 0 ? contents.subarray(1) : contents
}

const loadedKeys = new WeakMap<PublicKey, KeyObject>()

/** The key, ready to verify with; loaded once. @throws CodedError `malformed-bytes` for a point off its curve. */
export function loadPublicKey(key: PublicKey): KeyObject {
  const known = loadedKeys.get(key)
  if (known !== undefined) return known
  try {
    // PEM, because node:crypto takes each object for one of its keys first, and finds out by exceptions that it is none.
    const base64 = toBase64(key.spki)
    const loaded = createPublicKey(`-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n`)
    loadedKeys.set(key, loaded)
    return loaded
  } catch (cause) {
    throw new CodedError('malformed-bytes', 'the public key is not a point of its curve', { cause })
  }
}

/** Fewer bits can be factored; more cost a verifier time that a peer should not decide over. */
const rsaModulusBits = { least: 2048, most: 8192 } as const

/** Why the key may not belong to a certificate authority, or undefined. */
export function authorityKeyRefusal(key: PublicKey): string | undefined {
  if (key.type === 'other') return key.description
  if (key.type === 'RSA' && (key.modulusBits < rsaModulusBits.least || key.modulusBits > rsaModulusBits.most)) {
    return `${key.description}, where ${rsaModulusBits.least} to ${rsaModulusBits.most} are needed`
  }
  return undefined
}

/**
 * Why the key may not belong to an end entity, or undefined: those hold P-256, P-384 or Ed25519 (design: identities). What
 * a factory has put into a device, as into a TPM, may be RSA, within the bounds of authorities.
 */
export function endEntityKeyRefusal(key: PublicKey, allowsRsa: boolean): string | undefined {
  if (key.type === 'RSA' && allowsRsa) return authorityKeyRefusal(key)
  return key.type === 'P-256' || key.type === 'P-384' || key.type === 'Ed25519' ? undefined : key.description
}
