/** GET /api/v1/roles: the built-in ones and the organization's own. There are few: one page. */

import { builtInRoles, isRole } from '@sallyport/fleet'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { pageOf } from '../../page.ts'
import { presentBuiltInRole, presentRole, Role } from '../organization/organization-view.ts'

export function registerListRoles(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/roles',
    {
      config: { access: requires('roles:read') },
      schema: {
        operationId: 'listRoles',
        summary: 'What roles there are, and what they allow',
        tags: ['organization'],
        response: { 200: pageOf(Role) },
      },
    },
    async (request) => {
      const own = await store.customRoles.list(callerOf(request).organizationId)
      const builtIn = Object.keys(builtInRoles).filter(isRole)
      return { items: [...builtIn.map(presentBuiltInRole), ...own.map(presentRole)], nextCursor: null }
    },
  )
}
