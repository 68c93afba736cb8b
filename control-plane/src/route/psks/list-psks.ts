/** GET /api/v1/psks */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { Psk, presentPsk } from './psk-view.ts'

export function registerListPsks(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/psks',
    {
      config: { access: requires('devices:read') },
      schema: {
        operationId: 'listPsks',
        summary: 'Pre-shared keys of devices',
        description: 'Without the keys themselves.',
        tags: ['enrollment'],
        querystring: Type.Object(
          {
            ...pageQuery,
            deviceId: Type.Optional(Type.String({ format: 'uuid' })),
            groupId: Type.Optional(Type.String({ format: 'uuid' })),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf(Psk) },
      },
    },
    async (request) => {
      const { organizationId } = callerOf(request)
      return presentPage(await store.psks.list(organizationId, { limit: defaultLimit, ...request.query }), presentPsk)
    },
  )
}
