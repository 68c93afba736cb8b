/** GET /api/v1/asyncapi.json: what goes over the web socket and the feed, for programs. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, publicAccess } from '@sallyport/http'
import { asyncApiDocument } from '../../socket/async-api-document.ts'

export function registerReadAsyncApi(server: HttpServer): void {
  const document = asyncApiDocument()
  server.get(
    '/api/v1/asyncapi.json',
    {
      config: { access: publicAccess },
      schema: {
        operationId: 'readAsyncApi',
        summary: 'The AsyncAPI document of the live events',
        tags: ['events'],
        response: { 200: Type.Record(Type.String(), Type.Unknown()) },
      },
    },
    async () => document,
  )
}
