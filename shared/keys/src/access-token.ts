/**
 * Verifies the JWTs of this installation (RFC 7519, RFC 9068): ES256 under a published key, of the expected type, for the
 * expected audience, in date.
 *
 * What a token says about itself chooses nothing but a key among those given: other algorithms, `crit`, `b64`, keys or
 * addresses of keys in the header, a missing or unknown `kid`, and anything that is not canonical are refused.
 */

import { fromBase64Url, fromUtf8 } from '@sallyport/bytes'
import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { compactVerify, errors, importJWK, type JWK } from 'jose'

/** `at+jwt`: access token (RFC 9068 section 2.1); `rt+jwt`: refresh token of a person. */
export type TokenType = 'at+jwt' | 'rt+jwt'

export interface AccessTokenClaims {
  readonly iss: string
  readonly sub: string
  readonly aud: string | readonly string[]
  /** Seconds since the epoch, whole. */
  readonly exp: number
  readonly [claim: string]: unknown
}

export interface TokenVerification {
  readonly token: string
  /** Those whose signatures are believed. */
  readonly keys: readonly JWK[]
  readonly issuer: string
  readonly audience: string
  readonly now: Instant
  readonly type: TokenType
}

const longestToken = 8192
/** Clocks of two hosts differ. Only for what lies in the future: an expired token is expired. */
const toleratedSkewSeconds = 30
const allowedHeader: ReadonlySet<string> = new Set(['alg', 'typ', 'kid'])

/**
 * @returns all claims, of which `iss`, `aud`, `exp`, `nbf`, `iat` and the presence of `sub` were checked, the others not.
 * @throws CodedError `token-expired` for a good token whose time is over (its claims are the cause), `token-invalid` for everything else.
 */
export async function verifyAccessToken(options: TokenVerification): Promise<AccessTokenClaims> {
  const { token } = options
  if (token.length > longestToken) throw invalid('it is too long')
  const parts = token.split('.')
  const [header = '', payload = '', signature = ''] = parts
  if (parts.length !== 3) throw invalid('it is not a signed JWT')
  const kid = keyIdIn(objectIn(header), options.type)
  const key = options.keys.find((candidate) => candidate.kid === kid)
  if (key === undefined) throw invalid('its key is not known')
  if (key.kty !== 'EC' || key.crv !== 'P-256') throw invalid('its key is not for ES256')
  // One token has one spelling: a cache or a denylist by the token's text would miss the others.
  if (!isCanonical(signature)) throw invalid('its signature is not canonical')
  await verifySignature(token, key)
  return checkClaims(objectIn(payload), options)
}

/** The key id that the header names, once nothing else in it asks for anything. */
function keyIdIn(header: Readonly<Record<string, unknown>>, type: TokenType): string {
  const unknown = Object.keys(header).find((name) => !allowedHeader.has(name))
  if (unknown !== undefined) throw invalid(`its header has '${unknown.slice(0, 32)}'`)
  if (header.alg !== 'ES256') throw invalid('its algorithm is not ES256')
  if (header.typ !== type) throw invalid(`its type is not ${type}`)
  const { kid } = header
  if (typeof kid !== 'string' || kid === '') throw invalid('its header has no kid')
  return kid
}

const isCanonical = (part: string): boolean => Buffer.from(part, 'base64url').toString('base64url') === part

async function verifySignature(token: string, jwk: JWK): Promise<void> {
  try {
    // The public members alone, so that nothing else in a published key has a say.
    const { kty, crv, x, y } = jwk as { kty: string; crv: string; x: string; y: string }
    const key = await importJWK({ kty, crv, x, y }, 'ES256')
    await compactVerify(token, key, { algorithms: ['ES256'] })
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException) {
      throw invalid('its signature does not verify')
    }
    throw error
  }
}

function checkClaims(
  claims: Readonly<Record<string, unknown>>,
  expected: { readonly issuer: string; readonly audience: string; readonly now: Instant },
): AccessTokenClaims {
  const { iss, sub, aud, exp, nbf, iat } = claims
  const now = Math.floor(expected.now / 1000)
  if (iss !== expected.issuer) throw invalid('it is from another issuer')
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (!audiences.includes(expected.audience)) throw invalid('it is for another audience')
  if (typeof sub !== 'string' || sub === '') throw invalid('it has no subject')
  if (!isSeconds(exp)) throw invalid("its 'exp' is no time")
  for (const [name, value] of [
    ['nbf', nbf],
    ['iat', iat],
  ] as const) {
    if (value === undefined) continue
    if (!isSeconds(value)) throw invalid(`its '${name}' is no time`)
    if (value > now + toleratedSkewSeconds) throw invalid(`its '${name}' lies in the future`)
  }
  if (exp <= now) throw new CodedError('token-expired', 'The token has expired.', { cause: claims })
  return { ...claims, iss, sub, aud: aud as string | readonly string[], exp }
}

const isSeconds = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

/** A part of the token as a JSON object; refuses base64url that is not canonical, and names that occur twice. */
function objectIn(part: string): Readonly<Record<string, unknown>> {
  let parsed: unknown
  let text: string
  try {
    text = fromUtf8(fromBase64Url(part))
    parsed = JSON.parse(text)
  } catch (error) {
    if (error instanceof CodedError || error instanceof SyntaxError) throw invalid('it is not a signed JWT')
    throw error
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw invalid('it is not a signed JWT')
  if (hasRepeatedName(text)) throw invalid('a name occurs twice in it')
  return { ...parsed }
}

/**
 * RFC 7519 section 4: names are unique. `JSON.parse` keeps the last of several, another parser the first; what two readers
 * understand differently is refused. Looks at every level; names are compared as they are after unescaping.
 */
function hasRepeatedName(json: string): boolean {
  const names: (Set<string> | undefined)[] = []
  let previous = ''
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)) {
    if (token === '{') names.push(new Set())
    else if (token === '[') names.push(undefined)
    else if (token === '}' || token === ']') names.pop()
    else if (token === ':') {
      const name: unknown = JSON.parse(previous)
      const seen = names.at(-1)
      if (typeof name === 'string' && seen !== undefined) {
        if (seen.has(name)) return true
        seen.add(name)
      }
    }
    previous = token
  }
  return false
}

const invalid = (why: string): CodedError => new CodedError('token-invalid', `The token is refused: ${why}.`)
