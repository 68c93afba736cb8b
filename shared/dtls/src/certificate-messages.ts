/** Certificate, CertificateRequest, CertificateVerify (RFC 5246 sections 7.4.2, 7.4.4, 7.4.8). */

import { ByteReader, ByteWriter } from '@sallyport/bytes'
import { HandshakeFault } from './handshake-fault.ts'
import { requestedSignatureSchemes } from './signature-scheme.ts'

/** Enough for any chain that fits a message; a bound, so that a list of empty ones ends early. */
const maxChainLength = 16

/** Types of certificates: rsa_sign (RFC 5246 section 7.4.4), ecdsa_sign, which Ed25519 goes under (RFC 8422 section 5.5). */
const rsaSign = 1
const ecdsaSign = 64

export function writeCertificate(chain: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter(2048)
  writer.vector24((list) => {
    for (const certificate of chain) list.vector24((entry) => entry.bytes(certificate))
  })
  return writer.finish()
}

/** The chain as views, leaf first; empty when the peer has none. DER is not looked at. */
export function readCertificate(body: Uint8Array): readonly Uint8Array[] {
  const reader = new ByteReader(body)
  const list = reader.vector24()
  reader.expectEnd()
  const chain: Uint8Array[] = []
  while (list.remaining > 0) {
    if (chain.length === maxChainLength) {
      throw new HandshakeFault('certificate-malformed', `a chain of more than ${maxChainLength} certificates`)
    }
    const certificate = list.vector24().rest()
    if (certificate.length === 0) throw new HandshakeFault('certificate-malformed', 'a certificate of no bytes')
    chain.push(certificate)
  }
  return chain
}

/** Names no authorities: which CA counts depends on the enrollment groups, and the list would fill datagrams. */
export function writeCertificateRequest(): Uint8Array {
  const writer = new ByteWriter(32)
  writer.u8(2).u8(ecdsaSign).u8(rsaSign)
  writer.vector16((schemes) => {
    for (const number of requestedSignatureSchemes) schemes.u16(number)
  })
  return writer.u16(0).finish()
}

export interface CertificateRequest {
  readonly allowsEcdsa: boolean
  readonly signatureSchemes: readonly number[]
}

/** The authorities are read over: our client has one chain and offers it. */
export function readCertificateRequest(body: Uint8Array): CertificateRequest {
  const reader = new ByteReader(body)
  const kinds = reader.vector8().rest()
  const list = reader.vector16()
  const signatureSchemes: number[] = []
  while (list.remaining > 0) signatureSchemes.push(list.u16())
  const authorities = reader.vector16()
  reader.expectEnd()
  while (authorities.remaining > 0) authorities.vector16()
  return { allowsEcdsa: kinds.includes(ecdsaSign), signatureSchemes }
}

/** A signature with the number of its scheme: CertificateVerify, and the end of ServerKeyExchange. */
export interface DigitallySigned {
  readonly scheme: number
  readonly signature: Uint8Array
}

export function readDigitallySigned(reader: ByteReader): DigitallySigned {
  const scheme = reader.u16()
  const signature = reader.vector16().rest()
  reader.expectEnd()
  return { scheme, signature }
}

export function writeDigitallySigned(writer: ByteWriter, signed: DigitallySigned): void {
  writer.u16(signed.scheme).vector16((body) => body.bytes(signed.signature))
}

export function writeCertificateVerify(signed: DigitallySigned): Uint8Array {
  const writer = new ByteWriter(128)
  writeDigitallySigned(writer, signed)
  return writer.finish()
}

export const readCertificateVerify = (body: Uint8Array): DigitallySigned => readDigitallySigned(new ByteReader(body))
