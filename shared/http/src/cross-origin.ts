/**
 * Pages of other origins (CORS, Fetch standard section 3.2): those on the list, none by default, may call with a token of their own
 * and read the answer. No credentials of the browser's are ever allowed, so that a cookie is good on our own pages alone, and
 * the list holds origins as they are: no wildcard, no patterns, no `null`.
 */

import { CodedError } from '@sallyport/errors'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { correlationHeader } from './correlation-id.ts'
import { variesBy } from './vary.ts'

const allowedHeaders = [
  'accept-language',
  'authorization',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-none-match',
  'last-event-id',
  'prefer',
  correlationHeader,
].join(', ')

const exposedHeaders = [
  'content-language',
  'etag',
  'idempotency-replayed',
  'location',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
  correlationHeader,
].join(', ')

/** Seconds that a browser need not ask again; Chromium keeps an answer for two hours at most. */
const preflightMaxAge = 7200

/** @returns true when it was a preflight, which is answered now. */
export function answerCrossOrigin(
  request: FastifyRequest,
  reply: FastifyReply,
  options: { readonly origins: readonly string[]; readonly methods: (request: FastifyRequest) => readonly string[] },
): boolean {
  if (options.origins.length === 0) return false
  variesBy(reply, 'origin')
  const { origin } = request.headers
  if (origin === undefined || !options.origins.includes(origin)) return false
  reply.headers({ 'access-control-allow-origin': origin, 'access-control-expose-headers': exposedHeaders })
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false
  reply
    .code(204)
    .headers({
      'access-control-allow-methods': options.methods(request).join(', '),
      'access-control-allow-headers': allowedHeaders,
      'access-control-max-age': String(preflightMaxAge),
    })
    .send()
  return true
}

/**
 * Origins as a person configures them, separated by commas.
 * @throws CodedError `configuration-invalid` for what is no origin, and for `*` and `null`, which are everybody's.
 */
export function originsIn(text: string | undefined): readonly string[] {
  const origins = (text ?? '').split(',').flatMap((origin) => (origin.trim() === '' ? [] : [origin.trim()]))
  for (const origin of origins) {
    const isOrigin = /^https?:$/.test(schemeOf(origin)) && new URL(origin).origin === origin && !origin.includes('*')
    if (isOrigin) continue
    throw new CodedError('configuration-invalid', `${origin} is no origin: say scheme://host or scheme://host:port.`)
  }
  return origins
}

const schemeOf = (text: string): string => (URL.canParse(text) ? new URL(text).protocol : '')
