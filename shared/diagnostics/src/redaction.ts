/**
 * What must never reach a log, taken out of it: values under names that carry secrets, at any depth, and texts that are
 * secrets by their form (JWTs, private keys, passwords in URLs).
 *
 * The last wall, not the first: code does not hand secrets to the log. Errors become plain data here, so that a cause or a
 * detail is redacted like any other field.
 */

import { SecretBytes } from '@sallyport/bytes'
import { isCodedError } from '@sallyport/errors'

const mark = '[redacted]'
const deepest = 6
const mostItems = 100

const secretNames = new Set(
  [
    'password',
    'passwordHash',
    'pin',
    'secret',
    'clientSecret',
    'accessToken',
    'access_token',
    'accesstoken',
    'refreshToken',
    'refresh_token',
    'refreshtoken',
    'token',
    'idToken',
    'authorization',
    'cookie',
    'setCookie',
    'set-cookie',
    'code_verifier',
    'onboardingCode',
    'authcode',
    'privateKey',
    'privatedata',
    'preSharedKey',
    'psk',
    'masterSecret',
    'sealingKey',
    'totp',
  ].map((name) => name.toLowerCase()),
)

const secretTexts: readonly [RegExp, string][] = [
  [/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, mark],
  [/\bdr_[\w-]{20,}/g, mark],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, mark],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/@:]*):[^\s/@]+@/gi, `$1:${mark}@`],
]

/** The same data without what must not be seen. Bounded in depth and width: a log line is not a dump. */
export function redacted(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactRecord(fields, 0)
}

function redactRecord(fields: object, depth: number): Record<string, unknown> {
  const clean: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    clean[name] =
      secretNames.has(name.toLowerCase()) && value !== undefined && value !== null ? mark : redactValue(value, depth)
  }
  return clean
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof SecretBytes) return mark
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return `[${value.length} bytes]`
  if (depth >= deepest) return '[deeper]'
  if (value instanceof Error) return redactError(value, depth)
  if (Array.isArray(value)) return value.slice(0, mostItems).map((item) => redactValue(item, depth + 1))
  return redactRecord(value, depth + 1)
}

function redactText(text: string): string {
  let clean = text
  for (const [pattern, replacement] of secretTexts) clean = clean.replace(pattern, replacement)
  return clean
}

/** Of an error only what a reader needs: a driver's error carries its query and parameters as further properties. */
function redactError(error: Error, depth: number): Record<string, unknown> {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return {
    name: error.name,
    message: redactText(error.message),
    ...(code === undefined ? {} : { code }),
    ...(isCodedError(error) ? { blame: error.blame, details: redactValue(error.details, depth + 1) } : {}),
    ...(error.stack === undefined ? {} : { stack: redactText(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: redactValue(error.cause, depth + 1) }),
  }
}
