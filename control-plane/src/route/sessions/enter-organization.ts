/**
 * POST /api/v1/auth/organization: the session goes on in another organization of the person's.
 *
 * It takes the refresh token of the session beside the access token, since it gives a new one: an access token that was stolen
 * must not become a session that lives on by itself. The session before it ends, so that whoever logs out is out everywhere
 * they went from one log-in; who wants two organizations side by side logs in twice, and names them.
 */

import { randomUUID } from 'node:crypto'
import { Type } from '@fastify/type-provider-typebox'
import { CodedError, hasCode } from '@sallyport/errors'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, personCallerOf } from '../../caller.ts'
import { AuthResponse, issueTokens } from './auth-response.ts'

export function registerEnterOrganization(server: HttpServer, ports: ApiPorts): void {
  server.post(
    '/api/v1/auth/organization',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'enterOrganization',
        summary: 'Go on in another organization',
        description:
          'Answers the tokens of a new session in that organization; the one of the caller ends, and its tokens with it. The new one lives no longer than the one before it would have. An organization that the caller is not in answers like one that does not exist.',
        tags: ['auth'],
        body: Type.Object(
          {
            organizationId: Type.String({ format: 'uuid' }),
            refresh_token: Type.String({ minLength: 1, maxLength: 4096, description: 'Of the session of the caller.' }),
          },
          { additionalProperties: false },
        ),
        response: { 200: AuthResponse },
      },
    },
    async (request) => {
      const caller = personCallerOf(request)
      const { organizationId, refresh_token: presented } = request.body
      const { startedAt } = await refreshTokenOf(caller.sessionId, presented, ports)
      const user = await ports.store.users.read(caller.userId, organizationId)
      if (user === undefined) throw new CodedError('not-found', 'You are in no such organization.')
      const session = {
        sessionId: randomUUID(),
        userId: user.id,
        organizationId: user.organizationId,
        membershipId: user.membershipId,
        roles: user.roles,
        startedAt,
        authenticatedAt: await ports.sessions.authenticatedAt(caller.sessionId),
      }
      const next = await ports.personTokens.issueRefresh(session)
      const timeToLive = ports.personTokens.timeToLive(session)
      const moved = await ports.sessions.move({
        from: caller.sessionId,
        presented,
        to: session.sessionId,
        next,
        timeToLive,
      })
      if (!moved) throw notGood()
      await ports.store.users.recordEntry({ ...session, from: caller.organizationId }, actOf(request))
      return issueTokens(ports, session, user, next)
    },
  )
}

async function refreshTokenOf(sessionId: string, presented: string, { personTokens }: ApiPorts) {
  try {
    const claims = await personTokens.verifyRefresh(presented)
    if (claims.sessionId === sessionId) return claims
  } catch (error) {
    if (!hasCode(error, 'token-invalid', 'token-expired')) throw error
  }
  throw notGood()
}

/** One answer for every reason, as refreshing has it. */
const notGood = (): CodedError => new CodedError('refresh-failed', 'The refresh token is not valid.')
