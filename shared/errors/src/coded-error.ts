/**
 * An error that a program can act on: a stable code, whose fault it is, and a message that is safe to show.
 *
 * A fault of the peer or of the caller is usually data (a refused verdict, a problem document); it becomes a
 * `CodedError` where it must end a call. Secrets never belong in `message` or `details`.
 */

import type { ErrorCode } from './error-catalogue.ts'
import { errorCatalogue } from './error-catalogue.ts'

/** Whose fault it is: the remote peer, the caller of our API, what we run on, or our own code. */
export type Blame = 'peer' | 'caller' | 'environment' | 'us'

/** Facts beside the message, safe to show and to log. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>

export class CodedError extends Error {
  readonly code: ErrorCode
  readonly blame: Blame
  readonly details: ErrorDetails

  /** @param message what was wrong and, where it can be said, what to do; without secrets. */
  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: ErrorDetails } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CodedError'
    this.code = code
    this.blame = errorCatalogue[code].blame
    this.details = options.details ?? {}
  }
}

export function isCodedError(error: unknown): error is CodedError {
  return error instanceof CodedError
}

/** True for a `CodedError` with one of the codes. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is CodedError {
  return isCodedError(error) && codes.includes(error.code)
}
