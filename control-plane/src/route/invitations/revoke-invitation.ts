/** DELETE /api/v1/invitations/{invitationId}: its token is good for nothing any more. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { InvitationParams } from '../organization/organization-view.ts'

export function registerRevokeInvitation(server: HttpServer, { store }: ApiPorts): void {
  server.delete(
    '/api/v1/invitations/:invitationId',
    {
      config: { access: requires('invitations:write') },
      schema: {
        operationId: 'revokeInvitation',
        summary: 'Revoke an open invitation',
        tags: ['organization'],
        params: InvitationParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { organizationId } = callerOf(request)
      await store.invitations.revoke(organizationId, request.params.invitationId, actOf(request))
      return reply.code(204).send(null)
    },
  )
}
