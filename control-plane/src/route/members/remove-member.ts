/** DELETE /api/v1/members/{userId}: the person is no user any more; sessions, tokens and feeds of theirs end. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { MemberParams } from '../organization/organization-view.ts'

export function registerRemoveMember(server: HttpServer, { store }: ApiPorts): void {
  server.delete(
    '/api/v1/members/:userId',
    {
      config: { access: requires('members:write') },
      schema: {
        operationId: 'removeMember',
        summary: 'Remove a person from the organization',
        description:
          'Within a second no token of theirs is good any more, and their open invitations are revoked. The last owner cannot be removed.',
        tags: ['organization'],
        params: MemberParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await store.members.remove(callerOf(request).organizationId, request.params.userId, actOf(request))
      return reply.code(204).send(null)
    },
  )
}
