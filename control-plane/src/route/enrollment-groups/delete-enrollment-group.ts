/** DELETE /api/v1/enrollment-groups/{groupId}: no more devices of this authority. Those that are here stay. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { expectedVersion, IfMatchHeader } from '../../entity-tag.ts'
import { EnrollmentGroupParams } from './enrollment-group-view.ts'

export function registerDeleteEnrollmentGroup(server: HttpServer, { store }: ApiPorts): void {
  server.delete(
    '/api/v1/enrollment-groups/:groupId',
    {
      config: { access: requires('groups:write') },
      schema: {
        operationId: 'deleteEnrollmentGroup',
        summary: 'Delete an enrollment group',
        tags: ['enrollment'],
        params: EnrollmentGroupParams,
        headers: IfMatchHeader,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const version = expectedVersion(request)
      const { organizationId } = callerOf(request)
      await store.enrollmentGroups.delete(organizationId, request.params.groupId, version, actOf(request))
      return reply.code(204).send(null)
    },
  )
}
