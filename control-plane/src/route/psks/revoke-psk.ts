/** DELETE /api/v1/psks/{pskId}: the key ends, and what its device has opened with it is closed within a second. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'

export function registerRevokePsk(server: HttpServer, { store }: ApiPorts): void {
  server.delete(
    '/api/v1/psks/:pskId',
    {
      config: { access: requires('devices:write') },
      schema: {
        operationId: 'revokePsk',
        summary: 'Revoke a pre-shared key',
        description: 'Its device is disconnected within a second. With its last key its tokens and codes end too.',
        tags: ['enrollment'],
        params: Type.Object({ pskId: Type.String({ format: 'uuid' }) }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await store.psks.revoke(callerOf(request).organizationId, request.params.pskId, actOf(request))
      return reply.code(204).send(null)
    },
  )
}
