/** POST /api/v1/auth/logout: the end of the session, its access tokens with it. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, personCallerOf } from '../../caller.ts'

export function registerLogOut(server: HttpServer, ports: ApiPorts): void {
  server.post(
    '/api/v1/auth/logout',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'logOut',
        summary: 'End the session',
        tags: ['auth'],
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { userId, organizationId, sessionId } = personCallerOf(request)
      await ports.sessions.end(sessionId)
      await ports.store.users.recordSessionEnd({ userId, organizationId, sessionId, cause: 'logout' }, actOf(request))
      return reply.code(204).send(null)
    },
  )
}
