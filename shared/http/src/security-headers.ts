/** What every answer tells a browser, refusals among them: nothing here is a page, is framed, is kept or is guessed at. */

export interface SecurityHeaderOptions {
  /** Whether the request came over TLS: only then may HSTS be said (RFC 6797 section 7.2). */
  readonly overTls: boolean
  /** The default lets a page do nothing. */
  readonly contentSecurityPolicy?: string | undefined
}

const aYear = 31_536_000

export const securityHeaders = (options: SecurityHeaderOptions): Readonly<Record<string, string>> => ({
  'cache-control': 'no-store',
  'content-security-policy': options.contentSecurityPolicy ?? "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  ...(options.overTls ? { 'strict-transport-security': `max-age=${aYear}` } : {}),
})
