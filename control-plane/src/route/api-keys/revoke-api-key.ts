/** DELETE /api/v1/api-keys/{apiKeyId}: for good, within a second, everywhere. Nothing stands in the way of it: no recent log-in. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { ApiKeyParams, overseenBy } from './api-key-view.ts'

export function registerRevokeApiKey(server: HttpServer, { store }: ApiPorts): void {
  server.delete(
    '/api/v1/api-keys/:apiKeyId',
    {
      config: { access: requires('api-keys:write') },
      schema: {
        operationId: 'revokeApiKey',
        summary: 'Revoke an API key',
        description:
          'Within a second no node takes it any more. Invitations that were given with it and not accepted go too.',
        tags: ['auth'],
        params: ApiKeyParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      await store.apiKeys.revoke(caller.organizationId, request.params.apiKeyId, overseenBy(caller), actOf(request))
      return reply.code(204).send(null)
    },
  )
}
