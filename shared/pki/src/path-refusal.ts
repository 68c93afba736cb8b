/**
 * Why a peer's certificates are refused, and the DTLS alert that says so (design: handshake alerts by cause).
 */

import type { ErrorCode } from '@sallyport/errors'

/** Alert descriptions of RFC 5246 section 7.2.2, by their names there. */
export type PathAlert =
  | 'handshake_failure'
  | 'bad_certificate'
  | 'unsupported_certificate'
  | 'certificate_revoked'
  | 'certificate_expired'
  | 'unknown_ca'
  | 'access_denied'
  | 'decrypt_error'

/** Every reason to refuse a peer for its certificates: those of the path, and those of whoever looks the peer up. */
export const alertOfRefusal = {
  'certificate-missing': 'handshake_failure',
  'certificate-malformed': 'bad_certificate',
  'certificate-signature-invalid': 'bad_certificate',
  'certificate-constraint-violated': 'bad_certificate',
  'certificate-key-unsupported': 'unsupported_certificate',
  'certificate-purpose-wrong': 'unsupported_certificate',
  'certificate-revoked': 'certificate_revoked',
  'certificate-expired': 'certificate_expired',
  'certificate-not-yet-valid': 'certificate_expired',
  'certificate-authority-unknown': 'unknown_ca',
  'certificate-self-signed': 'unknown_ca',
  'certificate-path-too-long': 'unknown_ca',
  'certificate-not-recorded': 'access_denied',
  'enrollment-missing': 'access_denied',
  'enrollment-disabled': 'access_denied',
  'device-blocked': 'access_denied',
  'proof-of-possession-failed': 'decrypt_error',
} as const satisfies Partial<Record<ErrorCode, PathAlert>>

export type PeerRefusalCode = keyof typeof alertOfRefusal

export interface PathRefusal {
  readonly valid: false
  readonly code: PeerRefusalCode
  readonly alert: PathAlert
  /** Which certificate: 0 is the leaf, 1 its issuer, and so on; for a chain in order its place in what was presented. */
  readonly index: number
  /** One sentence, safe to show. */
  readonly detail: string
}

export const pathRefusal = (code: PeerRefusalCode, index: number, detail: string): PathRefusal => ({
  valid: false,
  code,
  alert: alertOfRefusal[code],
  index,
  detail,
})
