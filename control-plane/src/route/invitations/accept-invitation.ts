/**
 * POST /api/v1/invitations/accept: the invited person becomes a user. The token is all that they have, so the route is public;
 * it is 256 bits, and one that is not good costs a look-up and no password hash. That there is an account already is told to
 * who has the token alone, which went to the address.
 */

import { Type } from '@fastify/type-provider-typebox'
import { CodedError } from '@sallyport/errors'
import { type HttpServer, publicAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { hashPassword, maxPasswordBytes } from '../../password-hash.ts'
import { Member, presentMember } from '../organization/organization-view.ts'
import { invitationTokenHash } from './create-invitation.ts'

export function registerAcceptInvitation(server: HttpServer, { store }: ApiPorts): void {
  server.post(
    '/api/v1/invitations/accept',
    {
      config: { access: publicAccess },
      schema: {
        operationId: 'acceptInvitation',
        summary: 'Join the organization that invited',
        description:
          'For who has no account: log in afterwards. A username that is taken answers 409 and leaves the invitation open; so does an address that has an account (`sign-in-to-accept`): sign in, and `POST /api/v1/organizations/join` with the token.',
        tags: ['organization'],
        body: Type.Object(
          {
            token: Type.String({ minLength: 1, maxLength: 128 }),
            username: Type.String({ minLength: 1, maxLength: 100, pattern: '^[^@\\s]+$' }),
            password: Type.String({ minLength: 12, maxLength: maxPasswordBytes }),
          },
          { additionalProperties: false },
        ),
        response: { 201: Member },
      },
    },
    async (request, reply) => {
      const { token, username, password } = request.body
      const tokenHash = invitationTokenHash(token)
      const invited = await store.invitations.openFor(tokenHash)
      if (invited === undefined) throw new CodedError('invitation-invalid', 'The invitation is not valid.')
      if (invited === 'account-holder') {
        throw new CodedError('sign-in-to-accept', 'There is an account with this address: sign in to it.')
      }
      const member = await store.invitations.accept(
        { tokenHash, username, passwordHash: await hashPassword(password) },
        { correlationId: request.id, address: request.ip },
      )
      return reply.code(201).send(presentMember(member))
    },
  )
}
