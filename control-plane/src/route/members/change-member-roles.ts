/** PATCH /api/v1/members/{userId}: other roles. They count within a second, also for tokens that were issued before. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { expectedVersion, IfMatchHeader, withEntityTag } from '../../entity-tag.ts'
import { Member, MemberParams, presentMember, RoleNames } from '../organization/organization-view.ts'

export function registerChangeMemberRoles(server: HttpServer, { store }: ApiPorts): void {
  server.patch(
    '/api/v1/members/:userId',
    {
      config: { access: requires('members:write') },
      schema: {
        operationId: 'changeMemberRoles',
        summary: 'Give and take roles',
        description:
          'Nobody gives or takes a role that allows more than they may themselves (`policy-violated`, policy `no-escalation`); the last owner stays one (policy `last-owner`). Open invitations by the member are revoked.',
        tags: ['organization'],
        params: MemberParams,
        headers: IfMatchHeader,
        body: Type.Object({ roles: RoleNames }, { additionalProperties: false }),
        response: { 200: Member },
      },
    },
    async (request, reply) => {
      const version = expectedVersion(request)
      const { organizationId } = callerOf(request)
      const { userId } = request.params
      const member = await store.members.changeRoles(
        organizationId,
        userId,
        request.body.roles,
        version,
        actOf(request),
      )
      withEntityTag(reply, member)
      return presentMember(member)
    },
  )
}
