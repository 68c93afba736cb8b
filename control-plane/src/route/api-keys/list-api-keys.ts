/** GET /api/v1/api-keys: one's own, or with `api-keys:oversee` the organization's, the newest first. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { ApiKey, overseenBy, presentApiKey } from './api-key-view.ts'

export function registerListApiKeys(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/api-keys',
    {
      config: { access: requires('api-keys:read') },
      schema: {
        operationId: 'listApiKeys',
        summary: 'API keys, without the keys themselves',
        description: 'One’s own; with `api-keys:oversee` those of everybody in the organization.',
        tags: ['auth'],
        querystring: Type.Object(pageQuery, { additionalProperties: false }),
        response: { 200: pageOf(ApiKey) },
      },
    },
    async (request) => {
      const caller = callerOf(request)
      const page = await store.apiKeys.list(caller.organizationId, {
        limit: defaultLimit,
        ...request.query,
        madeBy: overseenBy(caller),
      })
      return presentPage(page, presentApiKey)
    },
  )
}
