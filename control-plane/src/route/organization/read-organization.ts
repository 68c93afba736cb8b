/** GET /api/v1/organization: the caller's own. */

import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { withEntityTag } from '../../entity-tag.ts'
import { found } from '../../found.ts'
import { Organization, presentOrganization } from './organization-view.ts'

export function registerReadOrganization(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/organization',
    {
      config: { access: requires('organization:read') },
      schema: {
        operationId: 'readOrganization',
        summary: 'The organization of the caller',
        tags: ['organization'],
        response: { 200: Organization },
      },
    },
    async (request, reply) => {
      const organization = found(await store.organizations.read(callerOf(request).organizationId))
      withEntityTag(reply, organization)
      return presentOrganization(organization)
    },
  )
}
