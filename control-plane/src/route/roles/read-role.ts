/** GET /api/v1/roles/{role} */

import { isRole } from '@sallyport/fleet'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { withEntityTag } from '../../entity-tag.ts'
import { found } from '../../found.ts'
import { presentBuiltInRole, presentRole, Role, RoleParams } from '../organization/organization-view.ts'

export function registerReadRole(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/roles/:role',
    {
      config: { access: requires('roles:read') },
      schema: {
        operationId: 'readRole',
        summary: 'What a role allows',
        tags: ['organization'],
        params: RoleParams,
        response: { 200: Role },
      },
    },
    async (request, reply) => {
      const name = request.params.role
      if (isRole(name)) return presentBuiltInRole(name)
      const role = found(await store.customRoles.read(callerOf(request).organizationId, name))
      withEntityTag(reply, role)
      return presentRole(role)
    },
  )
}
