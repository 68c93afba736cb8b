/** PATCH /api/v1/roles/{role}: other permissions, for everybody who has it, within a second. */

import { Type } from '@fastify/type-provider-typebox'
import { permissions } from '@sallyport/fleet'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { expectedVersion, IfMatchHeader, withEntityTag } from '../../entity-tag.ts'
import { PermissionName, presentRole, Role, RoleParams } from '../organization/organization-view.ts'

export function registerChangeRole(server: HttpServer, { store }: ApiPorts): void {
  server.patch(
    '/api/v1/roles/:role',
    {
      config: { access: requires('roles:write') },
      schema: {
        operationId: 'changeRole',
        summary: 'Change what a role of the organization’s own allows',
        tags: ['organization'],
        params: RoleParams,
        headers: IfMatchHeader,
        body: Type.Object(
          { permissions: Type.Array(PermissionName, { maxItems: permissions.length }) },
          { additionalProperties: false },
        ),
        response: { 200: Role },
      },
    },
    async (request, reply) => {
      const version = expectedVersion(request)
      const role = await store.customRoles.change(
        callerOf(request).organizationId,
        request.params.role,
        request.body.permissions,
        version,
        actOf(request),
      )
      withEntityTag(reply, role)
      return presentRole(role)
    },
  )
}
