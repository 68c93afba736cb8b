/** What it means for a handshake how a signature of the peer has turned out (RFC 5246 sections 7.4.3 and 7.4.8). */

import { HandshakeFault } from './handshake-fault.ts'
import type { SignatureVerdict } from './output.ts'

/** What each side proves the key of its certificate by, and which keys we take. */
const proofs = {
  client: { message: 'CertificateVerify', unsupported: 'signs no handshake' },
  server: { message: 'ServerKeyExchange', unsupported: 'is not P-256 or P-384' },
} as const

/** @throws HandshakeFault */
export function requireValidSignature(verdict: SignatureVerdict, signer: 'client' | 'server'): void {
  const { message, unsupported } = proofs[signer]
  switch (verdict) {
    case 'valid':
      return
    case 'invalid':
      throw new HandshakeFault('signature-wrong', `${message} is not signed by the key of the certificate`)
    case 'certificate-malformed':
      throw new HandshakeFault('certificate-malformed', `the ${signer} certificate cannot be read`)
    case 'key-unsupported':
      throw new HandshakeFault('certificate-key-unsupported', `the key of the ${signer} certificate ${unsupported}`)
  }
}
