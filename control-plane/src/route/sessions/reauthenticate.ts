/**
 * POST /api/v1/auth/reauthenticate: the password again, for an access token of the same session whose `auth_time` is now. Tokens
 * of before keep theirs: one that was stolen does not become good for more by what its owner does. Limited as log-ins are.
 */

import { Type } from '@fastify/type-provider-typebox'
import { CodedError } from '@sallyport/errors'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, personCallerOf } from '../../caller.ts'
import { maxPasswordBytes, verifyPassword } from '../../password-hash.ts'
import { AuthResponse } from './auth-response.ts'

const { access_token, token_type, expires_in } = AuthResponse.properties

export function registerReauthenticate(server: HttpServer, ports: ApiPorts): void {
  const { store, clock, sessions, loginLimit, personTokens, metrics } = ports
  server.post(
    '/api/v1/auth/reauthenticate',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'reauthenticate',
        summary: 'Show the password again',
        description:
          'For what answers 401 `reauthentication-required`: use the access token of the answer from then on. The session and its refresh token go on.',
        tags: ['auth'],
        body: Type.Object(
          { password: Type.String({ minLength: 1, maxLength: maxPasswordBytes }) },
          { additionalProperties: false },
        ),
        response: { 200: Type.Object({ access_token, token_type, expires_in }) },
      },
    },
    async (request) => {
      const { userId, organizationId, membershipId, sessionId, roles } = personCallerOf(request)
      const user = await store.users.read(userId, organizationId)
      if (user === undefined) throw new CodedError('token-revoked', 'The user is gone.')
      const attempt = { login: user.username, address: request.ip }
      await loginLimit.admit(attempt)
      const session = { userId, organizationId, sessionId }
      if (!(await verifyPassword(request.body.password, user.passwordHash))) {
        metrics.login('invalid-credentials')
        await store.users.recordReauthentication({ ...session, reason: 'invalid-credentials' }, actOf(request))
        throw new CodedError('invalid-credentials', 'The password is wrong.')
      }
      const authenticatedAt = clock.now()
      await sessions.noteAuthentication(sessionId, authenticatedAt)
      await store.users.recordReauthentication(session, actOf(request))
      await loginLimit.forgive(attempt)
      const { token, expiresInSeconds } = await personTokens.issueAccess({
        ...session,
        membershipId,
        roles,
        // Of the refresh token, which stays as it is.
        startedAt: authenticatedAt,
        authenticatedAt,
      })
      metrics.tokensIssued('person')
      return { access_token: token, token_type: 'Bearer' as const, expires_in: expiresInSeconds }
    },
  )
}
