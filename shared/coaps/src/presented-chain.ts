/**
 * The certificates that a TLS peer has presented, in its order, leaf first: what `verifyPeer` judges.
 *
 * Taken from the links that node:tls makes of the Certificate message. `getPeerCertificate(true)` would not do: it puts the
 * certificates into an order of its own and leaves out what does not link.
 */

import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

/** As over DTLS, where a handshake message has at most 8192 bytes; longer chains are no device's. */
const maxCertificates = 16
const maxChainBytes = 16_384

/** @returns an empty chain when the peer presented none; undefined for one that is too long to be judged */
export function presentedChain(socket: TLSSocket): readonly Uint8Array[] | undefined {
  const chain: Uint8Array[] = []
  let bytes = 0
  let certificate: X509Certificate | undefined = socket.getPeerX509Certificate()
  while (certificate !== undefined) {
    const der = new Uint8Array(certificate.raw)
    bytes += der.length
    if (chain.length === maxCertificates || bytes > maxChainBytes) return undefined
    chain.push(der)
    certificate = certificate.issuerCertificate
  }
  return chain
}
