/** DELETE /api/v1/roles/{role}: of the organization's own, and of nobody's any more. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { expectedVersion, IfMatchHeader } from '../../entity-tag.ts'
import { RoleParams } from '../organization/organization-view.ts'

export function registerDeleteRole(server: HttpServer, { store }: ApiPorts): void {
  server.delete(
    '/api/v1/roles/:role',
    {
      config: { access: requires('roles:write') },
      schema: {
        operationId: 'deleteRole',
        summary: 'Delete a role of the organization’s own',
        description: 'Refused while somebody has it or is invited to it.',
        tags: ['organization'],
        params: RoleParams,
        headers: IfMatchHeader,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const version = expectedVersion(request)
      const { organizationId } = callerOf(request)
      await store.customRoles.delete(organizationId, request.params.role, version, actOf(request))
      return reply.code(204).send(null)
    },
  )
}
