/** GET /api/v1/members/{userId} */

import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { withEntityTag } from '../../entity-tag.ts'
import { found } from '../../found.ts'
import { Member, MemberParams, presentMember } from '../organization/organization-view.ts'

export function registerReadMember(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/members/:userId',
    {
      config: { access: requires('members:read') },
      schema: {
        operationId: 'readMember',
        summary: 'A person of the organization',
        tags: ['organization'],
        params: MemberParams,
        response: { 200: Member },
      },
    },
    async (request, reply) => {
      const member = found(await store.members.read(callerOf(request).organizationId, request.params.userId))
      withEntityTag(reply, member)
      return presentMember(member)
    },
  )
}
