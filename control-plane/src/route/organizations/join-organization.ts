/**
 * POST /api/v1/organizations/join: who has an account accepts an invitation with it. It has to be the account of the address
 * that the invitation went to: a token that was passed on, or stolen, lets nobody else in.
 */

import { Type } from '@fastify/type-provider-typebox'
import { CodedError } from '@sallyport/errors'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { invitationTokenHash } from '../invitations/create-invitation.ts'
import { Member, presentMember } from '../organization/organization-view.ts'

export function registerJoinOrganization(server: HttpServer, { store }: ApiPorts): void {
  server.post(
    '/api/v1/organizations/join',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'joinOrganization',
        summary: 'Join the organization that invited',
        description:
          'With the account of the address that was invited; for another one the token is refused as if it were not good. The session stays where it is: `POST /api/v1/auth/organization` goes on in the new organization.',
        tags: ['organization'],
        body: Type.Object({ token: Type.String({ minLength: 1, maxLength: 128 }) }, { additionalProperties: false }),
        response: {
          201: Type.Object({ organizationId: Type.String({ format: 'uuid' }), ...Member.properties }),
        },
      },
    },
    async (request, reply) => {
      const { userId } = callerOf(request)
      const tokenHash = invitationTokenHash(request.body.token)
      const { organizationId } = await store.invitations.join({ tokenHash, userId }, actOf(request))
      const member = await store.members.read(organizationId, userId)
      if (member === undefined) throw new CodedError('not-found', 'The membership has ended already.')
      return reply.code(201).send({ organizationId, ...presentMember(member) })
    },
  )
}
