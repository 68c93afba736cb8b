/** PATCH /api/v1/organization */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { expectedVersion, IfMatchHeader, withEntityTag } from '../../entity-tag.ts'
import { Organization, presentOrganization } from './organization-view.ts'

export function registerRenameOrganization(server: HttpServer, { store }: ApiPorts): void {
  server.patch(
    '/api/v1/organization',
    {
      config: { access: requires('organization:write') },
      schema: {
        operationId: 'renameOrganization',
        summary: 'Rename the organization',
        tags: ['organization'],
        headers: IfMatchHeader,
        body: Type.Object({ name: Type.String({ minLength: 1, maxLength: 200 }) }, { additionalProperties: false }),
        response: { 200: Organization },
      },
    },
    async (request, reply) => {
      const version = expectedVersion(request)
      const { organizationId } = callerOf(request)
      const organization = await store.organizations.rename(organizationId, request.body.name, version, actOf(request))
      withEntityTag(reply, organization)
      return presentOrganization(organization)
    },
  )
}
