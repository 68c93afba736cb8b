/** The person behind a request, once the access token was verified. The organization comes from it, never from the request. */

import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { ActContext, IdempotencyKey } from '@sallyport/store'
import type { FastifyRequest } from 'fastify'

export interface Caller {
  readonly userId: string
  readonly organizationId: string
  /** With which the person is in it: another one each time that they join. */
  readonly membershipId: string
  readonly sessionId: string
  readonly roles: readonly string[]
  /** When the access token ends. */
  readonly expiresAt: Instant
}

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

const keys = new WeakMap<FastifyRequest, IdempotencyKey>()

/** What the request does is to happen once. */
export function rememberKey(request: FastifyRequest, key: IdempotencyKey): void {
  keys.set(request, key)
}

/** Who does what the request asks for, as the audit trail names it. */
export function actOf(request: FastifyRequest): ActContext {
  const { userId } = callerOf(request)
  const once = keys.get(request)
  return {
    actor: { kind: 'user', id: userId },
    correlationId: request.id,
    address: request.ip,
    ...(once === undefined ? {} : { once }),
  }
}
