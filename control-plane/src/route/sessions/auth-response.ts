/** What logging in and refreshing answer: the OAuth names (RFC 6749 section 5.1), and the person. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import type { UserRecord } from '@sallyport/store'
import type { ApiPorts } from '../../api-ports.ts'
import type { PersonSession } from '../../person-tokens.ts'

export const Person = Type.Object({
  id: Type.String({ format: 'uuid' }),
  email: Type.String(),
  username: Type.String(),
  organizationId: Type.String({ format: 'uuid' }),
  roles: Type.Array(Type.String()),
  permissions: Type.Array(Type.String()),
})
export type Person = Static<typeof Person>

export const AuthResponse = Type.Object({
  access_token: Type.String({ description: 'A JWT (RFC 9068); send it as Bearer.' }),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ description: 'Seconds.' }),
  refresh_token: Type.Optional(
    Type.String({
      description: 'Good for one refresh. Not here but in a cookie for who sent `Sallyport-Session: cookie`.',
    }),
  ),
  user: Person,
})
export type AuthResponse = Static<typeof AuthResponse>

export const presentPerson = (user: UserRecord): Person => ({
  id: user.id,
  email: user.email,
  username: user.username,
  organizationId: user.organizationId,
  roles: [...user.roles],
  permissions: [...user.permissions].sort(),
})

export async function issueTokens(
  ports: Pick<ApiPorts, 'personTokens' | 'metrics'>,
  session: PersonSession,
  user: UserRecord,
  refreshToken: string,
): Promise<AuthResponse> {
  const { token, expiresInSeconds } = await ports.personTokens.issueAccess(session)
  ports.metrics.tokensIssued('person')
  return {
    access_token: token,
    token_type: 'Bearer',
    expires_in: expiresInSeconds,
    refresh_token: refreshToken,
    user: presentPerson(user),
  }
}
