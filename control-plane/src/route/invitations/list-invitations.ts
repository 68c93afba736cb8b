/** GET /api/v1/invitations: who was invited, the newest first. Tokens are not among it: nobody has them but the invited. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { Invitation, presentInvitation } from '../organization/organization-view.ts'

export function registerListInvitations(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/invitations',
    {
      config: { access: requires('invitations:read') },
      schema: {
        operationId: 'listInvitations',
        summary: 'Invitations into the organization',
        tags: ['organization'],
        querystring: Type.Object(pageQuery, { additionalProperties: false }),
        response: { 200: pageOf(Invitation) },
      },
    },
    async (request) => {
      const { organizationId } = callerOf(request)
      const page = await store.invitations.list(organizationId, { limit: defaultLimit, ...request.query })
      return presentPage(page, presentInvitation)
    },
  )
}
