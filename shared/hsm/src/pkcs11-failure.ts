/** What a return value of PKCS#11 (v2.40, section 5.1) means for us. */

import { CodedError, isCodedError } from '@sallyport/errors'

/** The name of a PKCS#11 return value, such as `CKR_TOKEN_NOT_PRESENT`; undefined for any other error. */
export function returnValueName(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  return /^CKR_\w+/.exec(error.message)?.[0]
}

/**
 * Return values after which a new initialization and log-in may help: the token was taken out, another client ended our
 * sessions, or the module lost its state. CKR_GENERAL_ERROR is among them because SoftHSM says so when its files are gone.
 */
const lossReturnValues: ReadonlySet<string> = new Set([
  'CKR_CRYPTOKI_NOT_INITIALIZED',
  'CKR_DEVICE_ERROR',
  'CKR_DEVICE_REMOVED',
  'CKR_FUNCTION_FAILED',
  'CKR_GENERAL_ERROR',
  'CKR_KEY_HANDLE_INVALID',
  'CKR_OBJECT_HANDLE_INVALID',
  'CKR_OPERATION_ACTIVE',
  'CKR_OPERATION_NOT_INITIALIZED',
  'CKR_SESSION_CLOSED',
  'CKR_SESSION_HANDLE_INVALID',
  'CKR_SLOT_ID_INVALID',
  'CKR_TOKEN_NOT_PRESENT',
  'CKR_TOKEN_NOT_RECOGNIZED',
  'CKR_USER_NOT_LOGGED_IN',
])

export function meansLoss(error: unknown): boolean {
  const name = returnValueName(error)
  return name !== undefined && lossReturnValues.has(name)
}

/** The PIN is wrong, locked or expired: asking again could only make it worse. */
export function meansPinRefused(error: unknown): boolean {
  const name = returnValueName(error)
  return name !== undefined && (name.startsWith('CKR_PIN_') || name === 'CKR_USER_PIN_NOT_INITIALIZED')
}

/** Our own error for one of the module's; a `CodedError` stays what it is. */
export function asTokenError(error: unknown, tokenLabel: string): CodedError {
  if (isCodedError(error)) return error
  const reason = returnValueName(error)
  if (reason === undefined) {
    return new CodedError('hsm-unavailable', `token ${tokenLabel}: the PKCS#11 module failed`, { cause: error })
  }
  return new CodedError('hsm-unavailable', `token ${tokenLabel}: ${reason}`, { cause: error, details: { reason } })
}
