/** The HTTP status of every error code (RFC 9110 section 15, RFC 6585). The compiler proves the map complete. */

import type { ErrorCode } from '@sallyport/errors'
import { isCodedError } from '@sallyport/errors'

export const problemStatus: Readonly<Record<ErrorCode, number>> = {
  // Requests
  'malformed-request': 400,
  'validation-failed': 422,
  'unsupported-content-format': 415,
  'not-acceptable': 406,
  'request-too-large': 413,
  'message-too-long': 500,
  'bad-option': 400,
  'block-sequence-broken': 408,
  'not-found': 404,
  'method-not-allowed': 405,
  conflict: 409,
  'precondition-failed': 412,
  'precondition-required': 428,
  'idempotency-in-progress': 409,
  'idempotency-key-reused': 422,
  'idempotency-answer-lost': 409,
  'freshness-required': 428,
  'rate-limited': 429,
  'origin-refused': 403,
  // People
  'invalid-credentials': 401,
  'token-missing': 401,
  'token-invalid': 401,
  'token-expired': 401,
  'token-revoked': 401,
  'refresh-failed': 401,
  'refresh-superseded': 409,
  'permission-denied': 403,
  'policy-violated': 403,
  'role-not-found': 422,
  'invitation-invalid': 403,
  'sign-in-to-accept': 409,
  // Certificates and paths: what a person loads is a value that is not allowed
  'certificate-missing': 401,
  'certificate-malformed': 422,
  'certificate-signature-invalid': 422,
  'certificate-expired': 422,
  'certificate-not-yet-valid': 422,
  'certificate-revoked': 422,
  'certificate-authority-unknown': 422,
  'certificate-self-signed': 422,
  'certificate-purpose-wrong': 422,
  'certificate-key-unsupported': 422,
  'certificate-constraint-violated': 422,
  'certificate-path-too-long': 422,
  'certificate-not-recorded': 403,
  'proof-of-possession-failed': 403,
  'psk-wrong': 403,
  'psk-identity-unknown': 403,
  'psk-revoked': 403,
  'psk-not-allowed': 409,
  'handshake-failed': 502,
  'handshake-timed-out': 504,
  'association-closed': 503,
  // Provisioning
  'enrollment-missing': 403,
  'enrollment-disabled': 403,
  'device-blocked': 403,
  'device-id-claimed': 403,
  'device-id-mismatch': 400,
  'request-certificate-malformed': 400,
  'request-signature-invalid': 400,
  'request-key-weak': 422,
  'request-key-unsupported': 422,
  'request-subject-invalid': 422,
  'ownership-mismatch': 403,
  // Device identity at the gateway
  'onboarding-code-invalid': 401,
  'device-not-registered': 401,
  'device-not-signed-in': 401,
  'device-token-invalid': 401,
  'device-offline': 503,
  'device-not-responding': 504,
  'device-refused': 502,
  // Keys and tokens of the installation
  'hsm-unavailable': 503,
  'hsm-key-missing': 503,
  'hsm-signature-wrong': 503,
  'sealed-value-invalid': 500,
  'signing-key-missing': 503,
  'issuance-refused': 500,
  // What we run on
  'configuration-invalid': 500,
  'database-unavailable': 503,
  'cache-unavailable': 503,
  'dependency-unavailable': 503,
  'mail-refused': 502,
  overloaded: 503,
  'shard-lost': 503,
  'shutting-down': 503,
  'timed-out': 504,
  'malformed-bytes': 400,
  internal: 500,
}

/** An error's status; a device's own refusal keeps its meaning (RFC 8075 section 7, table 2) where it named its CoAP code. */
export function statusOf(error: unknown): number {
  if (!isCodedError(error)) return problemStatus.internal
  const { coapCode } = error.details
  if (error.code !== 'device-refused' || typeof coapCode !== 'string') return problemStatus[error.code]
  return deviceRefusalStatus[coapCode] ?? problemStatus['device-refused']
}

/** Never 401: it is not the caller's login that the device refused. */
const deviceRefusalStatus: Readonly<Record<string, number>> = {
  '4.00': 400,
  '4.01': 403,
  '4.02': 400,
  '4.03': 403,
  '4.04': 404,
  '4.05': 405,
  '4.06': 406,
  '4.08': 400,
  '4.09': 409,
  '4.12': 412,
  '4.13': 413,
  '4.15': 415,
  '4.22': 422,
  '4.29': 429,
  '5.01': 501,
  '5.03': 503,
  '5.04': 504,
}
