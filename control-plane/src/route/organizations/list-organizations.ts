/** GET /api/v1/organizations: those that the person is in, the one joined last first. */

import { Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { PersonOrganization } from '@sallyport/store'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { Time } from '../../presented-time.ts'

const OwnOrganization = Type.Object({
  id: Type.String({ format: 'uuid' }),
  name: Type.String(),
  roles: Type.Array(Type.String(), { description: 'What the person is in it.' }),
  joinedAt: Time,
  current: Type.Boolean({ description: 'Whether this session is in it.' }),
})

export function registerListOrganizations(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/organizations',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'listOrganizations',
        summary: 'The organizations of the caller',
        description: '`POST /api/v1/auth/organization` goes on in another one of them.',
        tags: ['organization'],
        querystring: Type.Object(pageQuery, { additionalProperties: false }),
        response: { 200: pageOf(OwnOrganization) },
      },
    },
    async (request) => {
      const { userId, organizationId } = callerOf(request)
      const page = await store.organizations.listOf(userId, { limit: defaultLimit, ...request.query })
      return presentPage(page, ({ id, name, roles, joinedAt }: PersonOrganization) => ({
        id,
        name,
        roles: [...roles],
        joinedAt: toRfc3339(joinedAt),
        current: id === organizationId,
      }))
    },
  )
}
