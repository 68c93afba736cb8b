/** POST /api/v1/auth/refresh: the good refresh token of a session for new tokens. */

import { Type } from '@fastify/type-provider-typebox'
import { CodedError, hasCode } from '@sallyport/errors'
import { type HttpServer, publicAccess } from '@sallyport/http'
import type { FastifyRequest } from 'fastify'
import type { ApiPorts } from '../../api-ports.ts'
import { rememberIdentified } from '../../identified-caller.ts'
import { expiredClaims } from '../../person-tokens.ts'
import { AuthResponse, issueTokens } from './auth-response.ts'

export function registerRefreshSession(server: HttpServer, ports: ApiPorts): void {
  server.post(
    '/api/v1/auth/refresh',
    {
      config: { access: publicAccess },
      schema: {
        operationId: 'refreshSession',
        summary: 'Renew the tokens of a session',
        description:
          'The refresh token is replaced. Of two requests with one token the loser gets 409 `refresh-superseded` for 10 s; afterwards the old token ends the session.',
        tags: ['auth'],
        body: Type.Object(
          { refresh_token: Type.String({ minLength: 1, maxLength: 4096 }) },
          { additionalProperties: false },
        ),
        response: { 200: AuthResponse },
      },
    },
    async (request) => {
      const presented = request.body.refresh_token
      const claims = await verified(ports, request, presented)
      // Read anew: roles may have changed since the login, the person may be gone, or back by another membership.
      const user = await ports.store.users.read(claims.userId, claims.organizationId)
      if (user === undefined || user.membershipId !== claims.membershipId) {
        await ports.sessions.end(claims.sessionId)
        throw refused(ports, 'unknown-user')
      }
      rememberIdentified(request, { userId: user.id, organizationId: user.organizationId })
      const session = {
        ...claims,
        organizationId: user.organizationId,
        roles: user.roles,
        authenticatedAt: await ports.sessions.authenticatedAt(claims.sessionId),
      }
      const next = await ports.personTokens.issueRefresh(session)
      const timeToLive = ports.personTokens.timeToLive(session)
      const rotation = await ports.sessions.rotate({ id: claims.sessionId, presented, next, timeToLive })
      switch (rotation) {
        case 'rotated':
          // Afterwards: only the winner of two is one who refreshed. Where it fails, nobody gets the new tokens.
          await ports.store.users.recordSessionRefresh(session, {
            actor: { kind: 'user', id: user.id },
            correlationId: request.id,
            address: request.ip,
          })
          ports.metrics.refresh('succeeded')
          return issueTokens(ports, session, user, next)
        case 'superseded':
          ports.metrics.refresh('superseded')
          throw new CodedError('refresh-superseded', 'Another request has just used this refresh token.')
        case 'reused':
          ports.log.warn(
            { correlationId: request.id, userId: user.id, sessionId: claims.sessionId },
            'an old refresh token came back: the session was ended',
          )
          rememberIdentified(request, { userId: user.id, hasEvent: true })
          await ports.store.users.recordSessionEnd(
            { ...session, cause: 'refresh-token-reused' },
            { actor: { kind: 'user', id: user.id }, correlationId: request.id, address: request.ip },
          )
          throw refused(ports, 'reused')
        case 'unknown':
          throw refused(ports, 'unknown-session')
      }
    },
  )
}

async function verified(ports: ApiPorts, request: FastifyRequest, token: string) {
  try {
    return await ports.personTokens.verifyRefresh(token)
  } catch (error) {
    const { userId } = expiredClaims(error)
    if (userId !== undefined) rememberIdentified(request, { userId })
    if (hasCode(error, 'token-invalid', 'token-expired')) throw refused(ports, error.code)
    throw error
  }
}

/** One answer for every reason: the holder of a bad token learns nothing about it. */
function refused(ports: ApiPorts, reason: string): CodedError {
  ports.metrics.refresh(reason)
  return new CodedError('refresh-failed', 'The refresh token is not valid.')
}
