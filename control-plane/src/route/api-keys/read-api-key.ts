/** GET /api/v1/api-keys/{apiKeyId} */

import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { withEntityTag } from '../../entity-tag.ts'
import { found } from '../../found.ts'
import { ApiKey, ApiKeyParams, overseenBy, presentApiKey } from './api-key-view.ts'

export function registerReadApiKey(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/api-keys/:apiKeyId',
    {
      config: { access: requires('api-keys:read') },
      schema: {
        operationId: 'readApiKey',
        summary: 'An API key, without the key itself',
        tags: ['auth'],
        params: ApiKeyParams,
        response: { 200: ApiKey },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const key = found(await store.apiKeys.read(caller.organizationId, request.params.apiKeyId, overseenBy(caller)))
      withEntityTag(reply, key)
      return presentApiKey(key)
    },
  )
}
