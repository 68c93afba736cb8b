/**
 * Whom a credential of the request names, although it may not be let in: an expired or revoked token whose signature is good, a
 * caller who lacks a permission. For the audit trail alone; who may do what goes by `Caller`.
 */

import type { FastifyRequest } from 'fastify'

export interface IdentifiedCaller {
  /** Of an API key, who made it. */
  readonly userId: string
  readonly apiKeyId?: string | undefined
  readonly organizationId?: string | undefined
  /** The refusal has an audit event of its own. */
  readonly hasEvent?: boolean
}

const identified = new WeakMap<FastifyRequest, IdentifiedCaller>()

export function rememberIdentified(request: FastifyRequest, caller: IdentifiedCaller): void {
  identified.set(request, caller)
}

export const identifiedBehind = (request: FastifyRequest): IdentifiedCaller | undefined => identified.get(request)
