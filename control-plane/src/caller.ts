/**
 * Who is behind a request, once the access token or the API key was verified: a person in a session, or a program with a key
 * that a person made. The organization comes from it, never from the request.
 */

import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { Permission } from '@sallyport/fleet'
import type { ActContext, IdempotencyKey } from '@sallyport/store'
import type { FastifyRequest } from 'fastify'

interface AnyCaller {
  /** The person, or the one who made the key. */
  readonly userId: string
  readonly organizationId: string
  /** With which the person is in it: another one each time that they join. */
  readonly membershipId: string
  /** What the caller may do now. */
  readonly permissions: ReadonlySet<Permission>
  /** When the access token, or the key, ends. */
  readonly expiresAt: Instant
}

export interface PersonCaller extends AnyCaller {
  readonly kind: 'person'
  readonly sessionId: string
  readonly roles: readonly string[]
  /** When the person has last shown a password. */
  readonly authenticatedAt: Instant
}

export interface ApiKeyCaller extends AnyCaller {
  readonly kind: 'api-key'
  readonly apiKeyId: string
  readonly name: string
  readonly scopes: readonly Permission[]
  /** Absent: as many as a person. */
  readonly requestsPerMinute?: number
  /** From where the key was shown. */
  readonly address: string
}

export type Caller = PersonCaller | ApiKeyCaller

const callers = new WeakMap<FastifyRequest, Caller>()

export function rememberCaller(request: FastifyRequest, caller: Caller): void {
  callers.set(request, caller)
}

/** Undefined on a route that is public. */
export const knownCallerOf = (request: FastifyRequest): Caller | undefined => callers.get(request)

/** @throws CodedError `internal` on a route that is public: it has no caller, and asking for one is our mistake. */
export function callerOf(request: FastifyRequest): Caller {
  const caller = callers.get(request)
  if (caller === undefined) throw new CodedError('internal', 'a public route asked who is calling')
  return caller
}

/** On a route that is for people alone. @throws CodedError `internal` on another. */
export function personCallerOf(request: FastifyRequest): PersonCaller {
  const caller = callerOf(request)
  if (caller.kind !== 'person') throw new CodedError('internal', 'a route that takes API keys asked for a person')
  return caller
}

/** One session or one key: what has limits of its own. */
export const credentialOf = (caller: Caller): string =>
  caller.kind === 'person' ? `session:${caller.sessionId}` : `api-key:${caller.apiKeyId}`

/** Each person and each key: whose requests are counted together, and whose idempotency keys do not meet others'. */
export const callerIdOf = (caller: Caller): string => (caller.kind === 'person' ? caller.userId : caller.apiKeyId)

const keys = new WeakMap<FastifyRequest, IdempotencyKey>()

/** What the request does is to happen once. */
export function rememberKey(request: FastifyRequest, key: IdempotencyKey): void {
  keys.set(request, key)
}

/** Who does what the request asks for, as the audit trail names it. */
export function actOf(request: FastifyRequest): ActContext {
  const caller = callerOf(request)
  const once = keys.get(request)
  return {
    actor:
      caller.kind === 'person'
        ? { kind: 'user', id: caller.userId }
        : { kind: 'api-key', id: caller.apiKeyId, name: caller.name },
    correlationId: request.id,
    address: request.ip,
    ...(once === undefined ? {} : { once }),
  }
}
