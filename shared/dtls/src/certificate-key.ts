/**
 * Finds the public key in a certificate (RFC 5280 section 4.1) without reading the rest: what checking a handshake
 * signature needs, at a third of the cost of a full parse. It says nothing about whether the certificate is any good.
 */

import { ByteReader } from '@sallyport/bytes'
import { CodedError, hasCode } from '@sallyport/errors'
import { HandshakeFault } from './handshake-fault.ts'
import type { CurveName } from './signature-scheme.ts'

/** RSA of 2048 to 8192 bits: fewer can be factored, more cost a verifier time that a peer should not decide over. */
export type CertificateKeyKind = CurveName | 'Ed25519' | 'RSA'

export interface UnverifiedCertificateKey {
  /** DER SubjectPublicKeyInfo, a view. */
  readonly spki: Uint8Array
  /** Undefined for any key that signs no handshake. */
  readonly kind: CertificateKeyKind | undefined
  /** Undefined for any key but one of these curves, named. */
  readonly curve: CurveName | undefined
}

const tags = { integer: 0x02, bitString: 0x03, objectIdentifier: 0x06, sequence: 0x30, version: 0xa0 } as const

/** Content of AlgorithmIdentifier: id-ecPublicKey and the named curve (RFC 5480), id-Ed25519 (RFC 8410), rsaEncryption. */
const algorithms: ReadonlyMap<string, CertificateKeyKind> = new Map([
  ['06072a8648ce3d020106082a8648ce3d030107', 'P-256'],
  ['06072a8648ce3d020106052b81040022', 'P-384'],
  ['06032b6570', 'Ed25519'],
  ['06092a864886f70d0101010500', 'RSA'],
])

const rsaModulusBits = { least: 2048, most: 8192 } as const
/** Exponents in use have 17 bits; a long one makes each verification as slow as a signature. */
const maxRsaExponentBytes = 5

/**
 * The first check of a presented leaf: that its key is one that can sign this handshake.
 *
 * @throws HandshakeFault
 */
export function requireUsableKey<Kind extends CertificateKeyKind>(leaf: Uint8Array, allowed: readonly Kind[]): Kind {
  const key = readCertificateKey(leaf)
  if (key === undefined) throw new HandshakeFault('certificate-malformed', 'the certificate cannot be read')
  const kind = allowed.find((name) => name === key.kind)
  if (kind === undefined) {
    const detail = `the key of the certificate is none of ${allowed.join(', ')}`
    throw new HandshakeFault('certificate-key-unsupported', detail)
  }
  return kind
}

/** Undefined when the bytes are not a certificate as far as its key. */
export function readCertificateKey(der: Uint8Array): UnverifiedCertificateKey | undefined {
  try {
    const outer = new ByteReader(der)
    const certificate = element(outer, tags.sequence)
    outer.expectEnd()
    const body = element(certificate, tags.sequence)
    if (peekTag(body, der) === tags.version) element(body, tags.version)
    element(body, tags.integer)
    // signature, issuer, validity, subject
    for (let skipped = 0; skipped < 4; skipped += 1) element(body, tags.sequence)
    const start = body.offset
    const key = element(body, tags.sequence)
    const spki = der.subarray(start, body.offset)
    const kind = algorithms.get(Buffer.from(element(key, tags.sequence).rest()).toString('hex'))
    if (kind === 'RSA')
      return { spki, kind: isSoundRsa(element(key, tags.bitString)) ? kind : undefined, curve: undefined }
    return { spki, kind, curve: kind === 'Ed25519' ? undefined : kind }
  } catch (error) {
    if (hasCode(error, 'malformed-bytes')) return undefined
    throw error
  }
}

/** RSAPublicKey (RFC 8017 appendix A.1.1): the modulus has a length that we take, the exponent is short, odd and not 1. */
function isSoundRsa(bitString: ByteReader): boolean {
  if (bitString.u8() !== 0) return false
  const key = element(bitString, tags.sequence)
  const modulus = unsigned(element(key, tags.integer).rest())
  const exponent = unsigned(element(key, tags.integer).rest())
  const modulusBits = modulus.length === 0 ? 0 : 8 * modulus.length - Math.clz32(modulus[0] as number) + 24
  const lowest = exponent.at(-1) ?? 0
  const isOne = exponent.length === 1 && lowest === 1
  return (
    modulusBits >= rsaModulusBits.least &&
    modulusBits <= rsaModulusBits.most &&
    exponent.length <= maxRsaExponentBytes &&
    (lowest & 1) === 1 &&
    !isOne
  )
}

/** Without the zero that keeps an INTEGER positive. */
const unsigned = (integer: Uint8Array): Uint8Array => (integer[0] === 0 ? integer.subarray(1) : integer)

const peekTag = (reader: ByteReader, der: Uint8Array): number | undefined =>
  reader.remaining > 0 ? der[reader.offset] : undefined

/** The content of the next element. @throws CodedError `malformed-bytes` for another tag or a length of over two bytes */
function element(reader: ByteReader, tag: number): ByteReader {
  const actual = reader.u8()
  const first = reader.u8()
  if (actual !== tag || first > 0x82 || first === 0x80) throw new CodedError('malformed-bytes', 'not a certificate')
  if (first < 0x80) return reader.sub(first)
  return reader.sub(first === 0x81 ? reader.u8() : reader.u16())
}
