/**
 * May this caller use this route? The one place that says so: the access token or the API key is verified, its session must not
 * have ended, the person (of a key, who made it) must still be a member, and what they may do now must hold the permission that
 * the route declares; a key's scopes must hold it as well. Then the route's further conditions: a verified e-mail address, a
 * recent log-in. All else is refused, before the body is read.
 *
 * Whether the session has ended stands in Redis. While Redis cannot be reached the token's own end (at most 15 min) bounds
 * what an ended session can still do; a Redis that answers and does not know the session means that it is over. API keys need no
 * Redis.
 */

import { between, type Duration, inSeconds } from '@sallyport/clock'
import { CodedError, hasCode } from '@sallyport/errors'
import { type Permission, permissionsWithin } from '@sallyport/fleet'
import type { PersonConditions, RouteAccess } from '@sallyport/http'
import type { FastifyRequest } from 'fastify'
import { looksLikeApiKey } from './api-key.ts'
import type { ApiPorts } from './api-ports.ts'
import { type ApiKeyCaller, type Caller, type PersonCaller, rememberCaller } from './caller.ts'
import { rememberIdentified } from './identified-caller.ts'
import { expiredClaims } from './person-tokens.ts'

type Ports = Pick<
  ApiPorts,
  'personTokens' | 'personPermissions' | 'sessions' | 'apiKeys' | 'store' | 'clock' | 'recentAuthentication'
>

/**
 * @throws CodedError `token-missing`, `token-invalid`, `token-expired`, `token-revoked`, `api-key-invalid`, `api-key-revoked`,
 * `api-key-expired`, `api-key-address-refused`, `permission-denied`, `person-required`, `email-unverified`,
 * `reauthentication-required`.
 */
export async function authorizeCaller(request: FastifyRequest, access: RouteAccess, ports: Ports): Promise<void> {
  const token = bearerToken(request)
  const caller = looksLikeApiKey(token)
    ? await keyCaller(request, token, ports)
    : await personCaller(request, token, ports)
  switch (access.kind) {
    case 'signed-in':
      if (caller.kind === 'api-key' && access.apiKeys !== true) throw personRequired()
      break
    case 'permission':
      if (!caller.permissions.has(access.permission as Permission)) {
        throw new CodedError('permission-denied', `The permission ${access.permission} is missing.`, {
          details: { permission: access.permission },
        })
      }
      await requireConditions(caller, access, ports)
      break
    default:
      throw new CodedError('permission-denied', 'This is not for people.')
  }
  rememberCaller(request, caller)
}

async function personCaller(request: FastifyRequest, token: string, ports: Ports): Promise<PersonCaller> {
  const claims = await verified(request, token, ports)
  rememberIdentified(request, claims)
  if (!(await sessionGoesOn(claims.sessionId, ports))) throw new CodedError('token-revoked', 'The session has ended.')
  const permissions = await ports.personPermissions.of(claims)
  if (permissions === undefined) throw new CodedError('token-revoked', 'The person is no member any more.')
  return { kind: 'person', ...claims, permissions }
}

async function keyCaller(request: FastifyRequest, token: string, ports: Ports): Promise<ApiKeyCaller> {
  const { ip: address } = request
  const { key, refusal } = await ports.apiKeys.authenticate(token, address)
  const { id: apiKeyId, organizationId, membershipId, name, madeBy: userId, scopes, requestsPerMinute, expiresAt } = key
  rememberIdentified(request, { userId, organizationId, apiKeyId })
  if (refusal !== undefined) throw refusal
  const held = await ports.personPermissions.of({ organizationId, userId, membershipId })
  if (held === undefined) throw new CodedError('api-key-revoked', 'Whoever made the API key is no member any more.')
  return {
    kind: 'api-key',
    apiKeyId,
    organizationId,
    membershipId,
    name,
    userId,
    scopes,
    permissions: permissionsWithin(held, scopes),
    expiresAt,
    address,
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
  }
}

async function requireConditions(caller: Caller, conditions: PersonConditions, ports: Ports): Promise<void> {
  const { verifiedEmail, recentAuthentication } = conditions
  if (verifiedEmail !== true && recentAuthentication !== true) return
  if (caller.kind !== 'person') throw personRequired()
  // What needs no more than the password first: who has it not need not hear what else is missing.
  if (recentAuthentication === true) requireRecent(caller, ports)
  if (verifiedEmail === true && !(await ports.store.emailVerifications.isVerified(caller.userId))) {
    throw new CodedError('email-unverified', 'The e-mail address is not verified.')
  }
}

function requireRecent(
  { authenticatedAt }: PersonCaller,
  { clock, recentAuthentication }: { readonly clock: Ports['clock']; readonly recentAuthentication: Duration },
): void {
  if (between(authenticatedAt, clock.now()) <= recentAuthentication) return
  throw new CodedError('reauthentication-required', 'The log-in is too long ago for this.', {
    details: { maxAgeSeconds: inSeconds(recentAuthentication) },
  })
}

const personRequired = (): CodedError =>
  new CodedError('person-required', 'Only a person who is logged in may do this, not an API key.')

/**
 * Asked again where an answer goes on for long: whether session or key, membership and permission (if it needs one) are still
 * there. While neither Redis nor the database can be asked, the end of the token or the key is what bounds it.
 */
export async function stillMay(
  caller: Caller,
  permission: Permission | undefined,
  ports: AskedAgain,
): Promise<boolean> {
  const [good, held] = await Promise.all([
    caller.kind === 'person' ? sessionGoesOn(caller.sessionId, ports) : keyMay(caller, permission, ports),
    ports.personPermissions.of(caller).catch((error: unknown) => {
      if (hasCode(error, 'database-unavailable'))
        return new Set<Permission>(permission === undefined ? [] : [permission])
      throw error
    }),
  ])
  return good && held !== undefined && (permission === undefined || held.has(permission))
}

type AskedAgain = Pick<ApiPorts, 'personPermissions' | 'sessions' | 'apiKeys'>

async function sessionGoesOn(sessionId: string, ports: Pick<ApiPorts, 'sessions'>): Promise<boolean> {
  try {
    return await ports.sessions.isAlive(sessionId)
  } catch (error) {
    if (hasCode(error, 'cache-unavailable')) return true
    throw error
  }
}

async function keyMay(
  caller: ApiKeyCaller,
  permission: Permission | undefined,
  { apiKeys }: AskedAgain,
): Promise<boolean> {
  const { apiKeyId: id, address } = caller
  try {
    const scopes = await apiKeys.scopesNow({ id, address })
    return scopes !== undefined && (permission === undefined || scopes.includes(permission))
  } catch (error) {
    if (hasCode(error, 'database-unavailable')) return true
    throw error
  }
}

async function verified(request: FastifyRequest, token: string, { personTokens }: Pick<Ports, 'personTokens'>) {
  try {
    return await personTokens.verifyAccess(token)
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
