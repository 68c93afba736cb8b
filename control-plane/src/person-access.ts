/**
 * May this person use this route? The access token is verified, its session must not have ended, and the roles must give the
 * permission that the route declares.
 *
 * Whether the session has ended stands in Redis. While Redis cannot be reached the token's own end (at most 15 min) bounds
 * what an ended session can still do; a Redis that answers and does not know the session means that it is over.
 */

import { CodedError, hasCode } from '@sallyport/errors'
import { permissionsOf } from '@sallyport/fleet'
import type { RouteAccess } from '@sallyport/http'
import type { FastifyRequest } from 'fastify'
import type { ApiPorts } from './api-ports.ts'
import { rememberCaller } from './caller.ts'

type Ports = Pick<ApiPorts, 'personTokens' | 'sessions'>

/** @throws CodedError `token-missing`, `token-invalid`, `token-expired`, `token-revoked`, `permission-denied`. */
export async function authorizePerson(request: FastifyRequest, access: RouteAccess, ports: Ports): Promise<void> {
  const claims = await ports.personTokens.verifyAccess(bearerToken(request))
  if (!(await sessionGoesOn(claims.sessionId, ports))) throw new CodedError('token-revoked', 'The session has ended.')
  if (access.kind === 'service') throw new CodedError('permission-denied', 'This is for services.')
  if (access.kind === 'permission') {
    const permissions: ReadonlySet<string> = permissionsOf(claims.roles)
    if (!permissions.has(access.permission)) {
      throw new CodedError('permission-denied', `The permission ${access.permission} is missing.`, {
        details: { permission: access.permission },
      })
    }
  }
  rememberCaller(request, claims)
}

async function sessionGoesOn(sessionId: string, ports: Ports): Promise<boolean> {
  try {
    return await ports.sessions.isAlive(sessionId)
  } catch (error) {
    if (hasCode(error, 'cache-unavailable')) return true
    throw error
  }
}

/** The header alone: a token in a URL ends up in logs (RFC 6750 section 5.3). */
function bearerToken(request: FastifyRequest): string {
  const header = request.headers.authorization
  if (header === undefined) throw new CodedError('token-missing', 'Send the access token as Bearer.')
  const token = /^Bearer ([\w~+/.=-]{1,8192})$/i.exec(header)?.[1]
  if (token === undefined) throw new CodedError('token-invalid', 'The Authorization header holds no Bearer token.')
  return token
}
