/**
 * Errors as problem documents (RFC 9457).
 *
 * A document says what the code's catalogue entry says, plus a detail that is safe to show, in the language that was asked for;
 * `type` and `code` are the same in all. An error without a code is ours: its message, which may hold anything, never leaves
 * the process.
 */

import { type ErrorCode, type ErrorDetails, errorText, isCodedError, type Language } from '@sallyport/errors'
import { Type } from 'typebox'
import { detailText } from './detail-texts.ts'
import { statusOf } from './problem-status.ts'
import { RefusedValues } from './refused-values.ts'

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

/** @param request.language that of the texts; English unless told. */
export function problemDocument(
  error: unknown,
  request: { readonly path: string; readonly correlationId: string; readonly language?: Language },
): ProblemDocument {
  const code = isCodedError(error) ? error.code : 'internal'
  const language = request.language ?? 'en'
  const { title } = errorText(code, language)
  const { detail, details } = shownOf(error, language)
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

function shownOf(error: unknown, language: Language): { readonly detail: string; readonly details: ErrorDetails } {
  if (!isCodedError(error) || error.code === 'internal') {
    return { detail: errorText('internal', language).remedy, details: {} }
  }
  const { code, message, details } = error
  if (language === 'en') return { detail: message, details }
  if (error instanceof RefusedValues) {
    const { detail, fields } = error.in(language)
    return { detail, details: { ...details, fields } }
  }
  return { detail: detailText(message, language) ?? errorText(code, language).remedy, details }
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
  else if (error.code === 'reauthentication-required') headers['www-authenticate'] = stepUpChallenge(error.details)
  return headers
}

const tokenRefusals: ReadonlySet<ErrorCode> = new Set([
  'token-invalid',
  'token-expired',
  'token-revoked',
  'api-key-invalid',
  'api-key-expired',
  'api-key-revoked',
])

/** RFC 9470 section 3. */
const stepUpChallenge = ({ maxAgeSeconds }: ErrorDetails): string =>
  `Bearer error="insufficient_user_authentication"${typeof maxAgeSeconds === 'number' ? `, max_age="${maxAgeSeconds}"` : ''}`
