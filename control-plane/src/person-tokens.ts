/**
 * The tokens of people: an access token (RFC 9068) of at most 15 min and a refresh token, both JWTs of one session (`sid`).
 *
 * They differ in `typ` and in audience, so that neither passes for the other.
 */

import { randomUUID } from 'node:crypto'
import type { Clock, Duration, Instant } from '@sallyport/clock'
import { inSeconds, instant, later, minutes, seconds } from '@sallyport/clock'
import { CodedError, hasCode } from '@sallyport/errors'
import { VerifiedTokens, verifyAccessToken } from '@sallyport/keys'
import type { JWK } from 'jose'
import type { TokenSigner } from './jwt-signing-key.ts'

export const personAudience = 'sallyport'
export const refreshAudience = 'sallyport-refresh'

export interface PersonSession {
  readonly sessionId: string
  readonly userId: string
  readonly organizationId: string
  /** Tokens end with it, even for who joins again. */
  readonly membershipId: string
  readonly roles: readonly string[]
  /** When the person gave their password: a session that moves to another organization lives no longer for it. */
  readonly startedAt: Instant
  /** When the person has last shown a password, where that is later: `auth_time` of access tokens. */
  readonly authenticatedAt?: Instant | undefined
}

export interface PersonTokens {
  issueAccess(session: PersonSession): Promise<{ readonly token: string; readonly expiresInSeconds: number }>
  issueRefresh(session: PersonSession): Promise<string>
  /** @throws CodedError `token-invalid`, `token-expired`. */
  verifyAccess(token: string): Promise<{
    readonly userId: string
    readonly organizationId: string
    readonly membershipId: string
    readonly sessionId: string
    readonly roles: readonly string[]
    readonly authenticatedAt: Instant
    readonly expiresAt: Instant
  }>
  /** The signature and the claims alone: whether it is the good one of its family is for `SessionFamilies`. */
  verifyRefresh(token: string): Promise<{
    readonly userId: string
    /** Undefined in a token of a version in which a person was in one organization. */
    readonly organizationId: string | undefined
    readonly membershipId: string
    readonly sessionId: string
    readonly startedAt: Instant
  }>
  /** How long a family lives if it is not refreshed: until the idle timeout, or the session's end if that is sooner. */
  timeToLive(session: { readonly startedAt: Instant }): Duration
}

export interface PersonTokenOptions {
  readonly clock: Clock
  readonly issuer: () => string
  readonly signingKey: TokenSigner
  readonly publishedKeys: () => readonly JWK[]
  readonly accessLifetime: Duration
  readonly idleTimeout: Duration
  readonly sessionLifetime: Duration
}

const longestAccessLifetime = minutes(15)

export function personTokens(options: PersonTokenOptions): PersonTokens {
  const accessLifetime = Math.min(options.accessLifetime, longestAccessLifetime) as Duration
  const timeToLive = ({ startedAt }: { startedAt: Instant }): Duration =>
    Math.min(options.idleTimeout, Math.max(0, startedAt + options.sessionLifetime - options.clock.now())) as Duration
  const issue = async (type: 'at+jwt' | 'rt+jwt', session: PersonSession, lifetime: Duration, own: object) => {
    const now = options.clock.now()
    return options.signingKey.sign(type, {
      iss: options.issuer(),
      sub: session.userId,
      sid: session.sessionId,
      jti: randomUUID(),
      iat: Math.floor(now / 1000),
      exp: Math.floor(later(now, lifetime) / 1000),
      client_id: 'console',
      ...own,
    })
  }
  const verified = new VerifiedTokens()
  const expected = (token: string, type: 'at+jwt' | 'rt+jwt', audience: string) => ({
    token,
    keys: options.publishedKeys(),
    issuer: options.issuer(),
    audience,
    now: options.clock.now(),
    type,
  })
  return {
    timeToLive,
    issueAccess: async (session) => ({
      token: await issue('at+jwt', session, accessLifetime, {
        aud: personAudience,
        org: session.organizationId,
        membership: session.membershipId,
        roles: session.roles,
        auth_time: Math.floor((session.authenticatedAt ?? session.startedAt) / 1000),
      }),
      expiresInSeconds: inSeconds(accessLifetime),
    }),
    issueRefresh: (session) =>
      issue('rt+jwt', session, timeToLive(session), {
        aud: refreshAudience,
        org: session.organizationId,
        membership: session.membershipId,
        auth_time: Math.floor(session.startedAt / 1000),
      }),
    async verifyAccess(token) {
      const claims = await verified.verify(expected(token, 'at+jwt', personAudience))
      return {
        userId: text(claims.sub),
        organizationId: text(claims.org),
        membershipId: membershipOf(claims),
        sessionId: text(claims.sid),
        roles: texts(claims.roles),
        // A version before this one left it out: then nothing is known of how long ago it is.
        authenticatedAt: later(instant(0), seconds(claims.auth_time === undefined ? 0 : number(claims.auth_time))),
        expiresAt: later(instant(0), seconds(number(claims.exp))),
      }
    },
    async verifyRefresh(token) {
      // Good once: there is nothing to be remembered.
      const claims = await verifyAccessToken(expected(token, 'rt+jwt', refreshAudience))
      return {
        userId: text(claims.sub),
        organizationId: claims.org === undefined ? undefined : text(claims.org),
        membershipId: membershipOf(claims),
        sessionId: text(claims.sid),
        startedAt: later(instant(0), seconds(number(claims.auth_time))),
      }
    },
  }
}

/** Whose token it was that has expired; its signature was good. */
export function expiredClaims(error: unknown): { readonly userId?: string; readonly organizationId?: string } {
  if (!hasCode(error, 'token-expired') || typeof error.cause !== 'object' || error.cause === null) return {}
  const { sub, org } = error.cause as { readonly [claim: string]: unknown }
  return {
    ...(typeof sub === 'string' ? { userId: sub } : {}),
    ...(typeof org === 'string' ? { organizationId: org } : {}),
  }
}

/** A token of an earlier version names none: it was issued for the person's first one, whose id is the person's. */
const membershipOf = (claims: { readonly sub?: unknown; readonly membership?: unknown }): string =>
  text(claims.membership ?? claims.sub)

function text(claim: unknown): string {
  if (typeof claim === 'string' && claim !== '') return claim
  throw new CodedError('token-invalid', 'The token lacks a claim.')
}

function number(claim: unknown): number {
  if (typeof claim === 'number' && Number.isFinite(claim)) return claim
  throw new CodedError('token-invalid', 'The token lacks a claim.')
}

function texts(claim: unknown): readonly string[] {
  if (Array.isArray(claim) && claim.every((item) => typeof item === 'string')) return claim
  throw new CodedError('token-invalid', 'The token lacks a claim.')
}
