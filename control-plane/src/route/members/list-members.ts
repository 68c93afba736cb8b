/** GET /api/v1/members: the people of the organization, the newest first. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { Member, presentMember } from '../organization/organization-view.ts'

export function registerListMembers(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/members',
    {
      config: { access: requires('members:read') },
      schema: {
        operationId: 'listMembers',
        summary: 'The people of the organization',
        tags: ['organization'],
        querystring: Type.Object(pageQuery, { additionalProperties: false }),
        response: { 200: pageOf(Member) },
      },
    },
    async (request) => {
      const page = await store.members.list(callerOf(request).organizationId, { limit: defaultLimit, ...request.query })
      return presentPage(page, presentMember)
    },
  )
}
