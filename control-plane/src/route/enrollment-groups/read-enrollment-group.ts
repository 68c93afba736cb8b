/** GET /api/v1/enrollment-groups/{groupId} */

import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { withEntityTag } from '../../entity-tag.ts'
import { found } from '../../found.ts'
import { EnrollmentGroup, EnrollmentGroupParams, presentEnrollmentGroup } from './enrollment-group-view.ts'

export function registerReadEnrollmentGroup(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/enrollment-groups/:groupId',
    {
      config: { access: requires('groups:read') },
      schema: {
        operationId: 'readEnrollmentGroup',
        summary: 'An enrollment group',
        tags: ['enrollment'],
        params: EnrollmentGroupParams,
        response: { 200: EnrollmentGroup },
      },
    },
    async (request, reply) => {
      const group = found(await store.enrollmentGroups.read(callerOf(request).organizationId, request.params.groupId))
      withEntityTag(reply, group)
      return presentEnrollmentGroup(group)
    },
  )
}
