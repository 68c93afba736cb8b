/** A failed TLS handshake in the words of the contract, as far as node:tls lets us know. */

import { type AlertName, alertNumbers } from '@sallyport/dtls'
import type { HandshakeFailure, RemoteAddress } from './association.ts'

/** The peer's signature over the handshake is wrong; OpenSSL tells it `decrypt_error`. */
const wrongSignature = new Set(['ERR_SSL_BAD_SIGNATURE', 'ERR_SSL_WRONG_SIGNATURE_TYPE', 'ERR_SSL_INVALID_SIGNATURE'])

/** Undefined for a connection that just went away: noise, as a lost datagram is. */
export function tlsFailure(error: Error, remote: RemoteAddress): HandshakeFailure | undefined {
  const { code = '', reason = error.message } = error as { code?: string; reason?: string }
  const failure = { remote, transport: 'tls' as const, detail: reason }
  if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE') return undefined
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') {
    return { ...failure, code: 'handshake-timed-out', direction: 'none', detail: 'the handshake did not finish' }
  }
  if (wrongSignature.has(code)) {
    return { ...failure, code: 'proof-of-possession-failed', alert: 'decrypt_error', direction: 'sent' }
  }
  const alert = alertIn(reason)
  if (alert !== undefined) return { ...failure, code: 'handshake-failed', alert, direction: 'received' }
  // OpenSSL has sent an alert, but does not tell which.
  return { ...failure, code: 'handshake-failed', direction: 'none' }
}

/** `tlsv1 alert unknown ca`, `ssl/tls alert bad certificate`: how OpenSSL names the alerts that it receives. */
function alertIn(reason: string): AlertName | undefined {
  const name = / alert (.+)$/.exec(reason)?.[1]?.replaceAll(' ', '_')
  return (Object.keys(alertNumbers) as AlertName[]).find((known) => known === name)
}
