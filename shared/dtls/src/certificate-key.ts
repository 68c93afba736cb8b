/**
 * Finds the public key in a certificate (RFC 5280 section 4.1) without reading the rest: what checking a handshake
 * signature needs, at a third of the cost of a full parse. It says nothing about whether the certificate is any good.
 */

import { ByteReader } from '@sallyport/bytes'
import { CodedError, hasCode } from '@sallyport/errors'
import { HandshakeFault } from './handshake-fault.ts'
import type { CurveName } from './signature-scheme.ts'

export interface UnverifiedCertificateKey {
  /** DER SubjectPublicKeyInfo, a view. */
  readonly spki: Uint8Array
  /** Undefined for any key but one of these curves, named. */
  readonly curve: CurveName | undefined
}

const tags = { integer: 0x02, objectIdentifier: 0x06, sequence: 0x30, version: 0xa0 } as const

/** Content of AlgorithmIdentifier: id-ecPublicKey and the named curve (RFC 5480). */
const algorithms: Readonly<Record<CurveName, string>> = {
  'P-256': '06072a8648ce3d020106082a8648ce3d030107',
  'P-384': '06072a8648ce3d020106052b81040022',
}

/**
 * The first check of a presented leaf: that its key is one that can sign this handshake.
 *
 * @throws HandshakeFault
 */
export function requireUsableKey(leaf: Uint8Array): void {
  const key = readCertificateKey(leaf)
  if (key === undefined) throw new HandshakeFault('certificate-malformed', 'the certificate cannot be read')
  if (key.curve === undefined) {
    throw new HandshakeFault('certificate-key-unsupported', 'the key of the certificate is neither P-256 nor P-384')
  }
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
    const algorithm = Buffer.from(element(key, tags.sequence).rest()).toString('hex')
    const curve = (['P-256', 'P-384'] as const).find((name) => algorithms[name] === algorithm)
    return { spki, curve }
  } catch (error) {
    if (hasCode(error, 'malformed-bytes')) return undefined
    throw error
  }
}

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
