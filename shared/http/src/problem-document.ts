/**
 * Errors as problem documents (RFC 9457).
 *
 * A document says what the code's catalogue entry says, plus a detail that is safe to show. An error without a code is
 * ours: its message, which may hold anything, never leaves the process.
 */

import type { ErrorCode, ErrorDetails } from '@sallyport/errors'
import { errorCatalogue, isCodedError } from '@sallyport/errors'
import { Type } from 'typebox'
import { statusOf } from './problem-status.ts'

export const problemContentType = 'application/problem+json'

export interface ProblemDocument {
  /** Stable for each code: `urn:sallyport:error:<code>`. */
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  /** The path of the request, without its query. */
  readonly instance: string
  readonly correlationId: string
  readonly details?: ErrorDetails
}

/** The same as a schema, for the OpenAPI document. */
export const ProblemSchema = Type.Object(
  {
    type: Type.String({ format: 'uri', description: 'Stable for each code.' }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'One of the codes of docs/errors.md.' }),
    detail: Type.String(),
    instance: Type.String({ description: 'The path of the request.' }),
    correlationId: Type.String({ format: 'uuid' }),
    details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { $id: 'Problem', description: 'What went wrong (RFC 9457).' },
)

export const problemType = (code: ErrorCode): string => `urn:sallyport:error:${code}`

export function problemDocument(error: unknown, request: { path: string; correlationId: string }): ProblemDocument {
  const code = isCodedError(error) ? error.code : 'internal'
  const { title, remedy } = errorCatalogue[code]
  const detail = isCodedError(error) && code !== 'internal' ? error.message : remedy
  const details = isCodedError(error) && code !== 'internal' ? error.details : {}
  return {
    type: problemType(code),
    title,
    status: statusOf(error),
    code,
    detail,
    instance: request.path,
    correlationId: request.correlationId,
    ...(Object.keys(details).length === 0 ? {} : { details }),
  }
}

/** Headers that belong to the problem: Retry-After (from `details.retryAfterSeconds`), WWW-Authenticate, Allow. */
export function problemHeaders(error: unknown): Readonly<Record<string, string>> {
  if (!isCodedError(error)) return {}
  const headers: Record<string, string> = {}
  const { retryAfterSeconds, allow } = error.details
  if (typeof retryAfterSeconds === 'number') headers['retry-after'] = String(retryAfterSeconds)
  else if (statusOf(error) === 503) headers['retry-after'] = '1'
  if (Array.isArray(allow)) headers.allow = allow.join(', ')
  if (error.code === 'token-missing') headers['www-authenticate'] = 'Bearer'
  else if (tokenRefusals.has(error.code)) headers['www-authenticate'] = 'Bearer error="invalid_token"'
  return headers
}

const tokenRefusals: ReadonlySet<ErrorCode> = new Set(['token-invalid', 'token-expired', 'token-revoked'])
