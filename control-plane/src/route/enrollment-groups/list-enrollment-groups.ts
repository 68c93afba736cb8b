/** GET /api/v1/enrollment-groups */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { EnrollmentGroup, presentEnrollmentGroup } from './enrollment-group-view.ts'

export function registerListEnrollmentGroups(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/enrollment-groups',
    {
      config: { access: requires('groups:read') },
      schema: {
        operationId: 'listEnrollmentGroups',
        summary: 'Enrollment groups',
        tags: ['enrollment'],
        querystring: Type.Object(
          {
            ...pageQuery,
            name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
            state: Type.Optional(EnrollmentGroup.properties.state),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf(EnrollmentGroup) },
      },
    },
    async (request) =>
      presentPage(
        await store.enrollmentGroups.list(callerOf(request).organizationId, { limit: defaultLimit, ...request.query }),
        presentEnrollmentGroup,
      ),
  )
}
