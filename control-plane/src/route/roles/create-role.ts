/** POST /api/v1/roles: a role of the organization's own. */

import { Type } from '@fastify/type-provider-typebox'
import { permissions } from '@sallyport/fleet'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { withEntityTag } from '../../entity-tag.ts'
import { PermissionName, presentRole, Role, RoleName } from '../organization/organization-view.ts'

export function registerCreateRole(server: HttpServer, { store }: ApiPorts): void {
  server.post(
    '/api/v1/roles',
    {
      config: { access: requires('roles:write'), once: true },
      schema: {
        operationId: 'createRole',
        summary: 'Make a role of the organization’s own',
        description: 'Nobody makes a role that allows more than they may themselves.',
        tags: ['organization'],
        body: Type.Object(
          { name: RoleName, permissions: Type.Array(PermissionName, { maxItems: permissions.length }) },
          { additionalProperties: false },
        ),
        response: { 201: Role },
      },
    },
    async (request, reply) => {
      const role = await store.customRoles.create(callerOf(request).organizationId, request.body, actOf(request))
      withEntityTag(reply, role)
      return reply.code(201).header('location', `/api/v1/roles/${role.name}`).send(presentRole(role))
    },
  )
}
