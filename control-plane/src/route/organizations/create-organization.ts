/** POST /api/v1/organizations: another customer, whose first owner is who makes it. Who may is a policy of the installation. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { Organization, organizationName, presentOrganization } from '../organization/organization-view.ts'

export function registerCreateOrganization(server: HttpServer, { store, organizationCreation }: ApiPorts): void {
  server.post(
    '/api/v1/organizations',
    {
      config: { access: signedInAccess, once: true },
      schema: {
        operationId: 'createOrganization',
        summary: 'Make an organization',
        description:
          'The caller is its owner, and goes on in it by `POST /api/v1/auth/organization`. Who may make one is said by the installation (`policy-violated`, policy `organization-creation`); so is how many one person may (policy `organization-limit`).',
        tags: ['organization'],
        body: Type.Object({ name: organizationName }, { additionalProperties: false }),
        response: { 201: Organization },
      },
    },
    async (request, reply) => {
      const { userId, organizationId } = callerOf(request)
      const organization = await store.organizations.create(
        { name: request.body.name, ownerId: userId, from: organizationId },
        organizationCreation,
        actOf(request),
      )
      return reply.code(201).send(presentOrganization(organization))
    },
  )
}
