/** POST /api/v1/auth/login: a name and a password for the tokens of a new session. */

import { randomUUID } from 'node:crypto'
import { Type } from '@fastify/type-provider-typebox'
import { CodedError, isCodedError } from '@sallyport/errors'
import { type HttpServer, publicAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { maxPasswordBytes, verifyPassword } from '../../password-hash.ts'
import { AuthResponse, issueTokens } from './auth-response.ts'

export function registerLogIn(server: HttpServer, ports: ApiPorts): void {
  server.post(
    '/api/v1/auth/login',
    {
      config: { access: publicAccess },
      schema: {
        operationId: 'logIn',
        summary: 'Log in with a username or an e-mail address',
        tags: ['auth'],
        body: Type.Object(
          {
            username: Type.Optional(Type.String({ minLength: 1, maxLength: 254 })),
            email: Type.Optional(Type.String({ minLength: 1, maxLength: 254 })),
            password: Type.String({ minLength: 1, maxLength: maxPasswordBytes }),
            organizationId: Type.Optional(
              Type.String({
                format: 'uuid',
                description: 'In which of their organizations the session is; without it the one where they were last.',
              }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: AuthResponse },
      },
    },
    async (request) => {
      const login = request.body.username ?? request.body.email
      if (login === undefined) throw new CodedError('validation-failed', 'Send username or email.')
      const attempt = { login, address: request.ip }
      try {
        await ports.loginLimit.admit(attempt)
        const response = await logIn(ports, login, request.body, {
          correlationId: request.id,
          address: request.ip,
        })
        await ports.loginLimit.forgive(attempt)
        ports.metrics.login('succeeded')
        return response
      } catch (error) {
        ports.metrics.login(isCodedError(error) ? error.code : 'internal')
        throw error
      }
    },
  )
}

/** The id of no person. */
const nobody = '00000000-0000-0000-0000-000000000000'

async function logIn(
  { store, clock, ...ports }: ApiPorts,
  login: string,
  { password, organizationId }: { readonly password: string; readonly organizationId?: string },
  origin: { readonly correlationId: string; readonly address: string },
): Promise<AuthResponse> {
  const known = await store.users.findByLogin(login)
  const verified = await verifyPassword(password, known?.passwordHash)
  // Looked for in any case: whoever cannot log in learns nothing from the time that it takes.
  const user = organizationId === undefined ? known : await store.users.read(known?.id ?? nobody, organizationId)
  if (known === undefined || user === undefined || !verified) {
    const actor = { kind: 'user', id: known?.id ?? 'unknown' } as const
    await store.users.recordLogin(
      { ...(known === undefined ? {} : { userId: known.id }), login, outcome: 'failed', reason: 'invalid-credentials' },
      { actor, ...origin },
    )
    if (verified) throw new CodedError('not-found', 'You are in no such organization.')
    throw new CodedError('invalid-credentials', 'The name or the password is wrong.')
  }
  const session = {
    sessionId: randomUUID(),
    userId: user.id,
    organizationId: user.organizationId,
    membershipId: user.membershipId,
    roles: user.roles,
    startedAt: clock.now(),
  }
  const refreshToken = await ports.personTokens.issueRefresh(session)
  const timeToLive = ports.personTokens.timeToLive(session)
  await ports.sessions.begin({ id: session.sessionId, refreshToken, timeToLive })
  await store.users.recordLogin(
    { ...session, login, outcome: 'succeeded' },
    { actor: { kind: 'user', id: user.id }, ...origin },
  )
  return issueTokens(ports, session, user, refreshToken)
}
