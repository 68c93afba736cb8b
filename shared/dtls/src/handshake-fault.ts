/**
 * What can be wrong with a peer's handshake: one table from fault to the alert it gets and to the code it is recorded
 * with (the one edge map of this package).
 *
 * A fault is thrown only inside the handshake machines and caught at their one door, where it becomes an alert and a
 * `handshakeFailed` output: it never leaves the package.
 */

import { type ErrorCode, hasCode } from '@sallyport/errors'
import type { AlertName } from './alert.ts'

export interface FaultDefinition {
  readonly alert: AlertName
  readonly code: ErrorCode
}

export const handshakeFaults = {
  'message-malformed': { alert: 'decode_error', code: 'handshake-failed' },
  'message-unexpected': { alert: 'unexpected_message', code: 'handshake-failed' },
  'version-unsupported': { alert: 'protocol_version', code: 'handshake-failed' },
  'no-common-cipher-suite': { alert: 'handshake_failure', code: 'handshake-failed' },
  'no-common-group': { alert: 'handshake_failure', code: 'handshake-failed' },
  'no-common-signature-scheme': { alert: 'handshake_failure', code: 'handshake-failed' },
  'compression-only': { alert: 'illegal_parameter', code: 'handshake-failed' },
  'points-compressed-only': { alert: 'illegal_parameter', code: 'handshake-failed' },
  'extended-master-secret-missing': { alert: 'handshake_failure', code: 'handshake-failed' },
  'renegotiation-info-wrong': { alert: 'handshake_failure', code: 'handshake-failed' },
  'extension-unsolicited': { alert: 'unsupported_extension', code: 'handshake-failed' },
  'record-size-illegal': { alert: 'illegal_parameter', code: 'handshake-failed' },
  'connection-id-too-long': { alert: 'illegal_parameter', code: 'handshake-failed' },
  'choice-not-offered': { alert: 'illegal_parameter', code: 'handshake-failed' },
  'public-key-invalid': { alert: 'illegal_parameter', code: 'handshake-failed' },
  'certificate-missing': { alert: 'handshake_failure', code: 'certificate-missing' },
  'certificate-malformed': { alert: 'bad_certificate', code: 'certificate-malformed' },
  'certificate-key-unsupported': { alert: 'unsupported_certificate', code: 'certificate-key-unsupported' },
  'signature-scheme-not-offered': { alert: 'illegal_parameter', code: 'proof-of-possession-failed' },
  'signature-scheme-unfit': { alert: 'illegal_parameter', code: 'proof-of-possession-failed' },
  'signature-wrong': { alert: 'decrypt_error', code: 'proof-of-possession-failed' },
  'psk-identity-unusable': { alert: 'illegal_parameter', code: 'handshake-failed' },
  // One alert for every way in which a key can be wrong: RFC 4279 section 2 lets us hide which identities there are.
  'psk-wrong': { alert: 'decrypt_error', code: 'psk-wrong' },
  'finished-wrong': { alert: 'decrypt_error', code: 'handshake-failed' },
} as const satisfies Record<string, FaultDefinition>

export type HandshakeFaultName = keyof typeof handshakeFaults

export class HandshakeFault extends Error {
  readonly fault: HandshakeFaultName
  /** What is recorded in place of the table's code, where we know more than the peer may. */
  readonly code: ErrorCode | undefined

  constructor(fault: HandshakeFaultName, detail: string, code?: ErrorCode) {
    super(detail)
    this.name = 'HandshakeFault'
    this.fault = fault
    this.code = code
  }
}

/**
 * What the peer and the record are told of a fault: bytes that do not parse included.
 *
 * @throws the error itself, when it is no fault of the peer but ours
 */
export function describeFault(error: unknown): FaultDefinition & { readonly detail: string } {
  if (error instanceof HandshakeFault) {
    const { alert, code } = handshakeFaults[error.fault]
    return { alert, code: error.code ?? code, detail: error.message }
  }
  if (hasCode(error, 'malformed-bytes')) return { ...handshakeFaults['message-malformed'], detail: error.message }
  throw error
}
