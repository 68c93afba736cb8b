/**
 * May this person use this route? The one place that says so: the access token is verified, its session must not have ended,
 * the person must still be a member, and what they may do now must hold the permission that the route declares. All else is
 * refused, before the body is read.
 *
 * Whether the session has ended stands in Redis. While Redis cannot be reached the token's own end (at most 15 min) bounds
 * what an ended session can still do; a Redis that answers and does not know the session means that it is over.
 */

import { CodedError, hasCode } from '@sallyport/errors'
import type { Permission } from '@sallyport/fleet'
import type { RouteAccess } from '@sallyport/http'
import type { FastifyRequest } from 'fastify'
import type { ApiPorts } from './api-ports.ts'
import { type Caller, rememberCaller } from './caller.ts'
import { rememberIdentified } from './identified-caller.ts'
import { expiredClaims } from './person-tokens.ts'

type Ports = Pick<ApiPorts, 'personTokens' | 'personPermissions' | 'sessions'>

/** @throws CodedError `token-missing`, `token-invalid`, `token-expired`, `token-revoked`, `permission-denied`. */
export async function authorizePerson(request: FastifyRequest, access: RouteAccess, ports: Ports): Promise<void> {
  const claims = await verified(request, ports)
  rememberIdentified(request, claims)
  if (!(await sessionGoesOn(claims.sessionId, ports))) throw new CodedError('token-revoked', 'The session has ended.')
  const held: ReadonlySet<string> | undefined = await ports.personPermissions.of(claims)
  if (held === undefined) throw new CodedError('token-revoked', 'The person is no member any more.')
  switch (access.kind) {
    case 'signed-in':
      break
    case 'permission':
      if (held.has(access.permission)) break
      throw new CodedError('permission-denied', `The permission ${access.permission} is missing.`, {
        details: { permission: access.permission },
      })
    default:
      throw new CodedError('permission-denied', 'This is not for people.')
  }
  rememberCaller(request, claims)
}

/**
 * Asked again where an answer goes on for long: whether session, membership and permission (if it needs one) are still there. While neither Redis
 * nor the database can be asked, the token's end is what bounds it.
 */
export async function stillMay(
  person: Pick<Caller, 'sessionId' | 'organizationId' | 'userId' | 'membershipId'>,
  permission: Permission | undefined,
  ports: Omit<Ports, 'personTokens'>,
): Promise<boolean> {
  const [alive, held] = await Promise.all([
    sessionGoesOn(person.sessionId, ports),
    ports.personPermissions.of(person).catch((error: unknown) => {
      if (hasCode(error, 'database-unavailable'))
        return new Set<Permission>(permission === undefined ? [] : [permission])
      throw error
    }),
  ])
  return alive && held !== undefined && (permission === undefined || held.has(permission))
}

async function sessionGoesOn(sessionId: string, ports: Pick<Ports, 'sessions'>): Promise<boolean> {
  try {
    return await ports.sessions.isAlive(sessionId)
  } catch (error) {
    if (hasCode(error, 'cache-unavailable')) return true
    throw error
  }
}

async function verified(request: FastifyRequest, { personTokens }: Pick<Ports, 'personTokens'>) {
  try {
    return await personTokens.verifyAccess(bearerToken(request))
  } catch (error) {
    const { userId, organizationId } = expiredClaims(error)
    if (userId !== undefined) rememberIdentified(request, { userId, organizationId })
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
