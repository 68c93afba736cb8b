/** GET /.well-known/jwks.json: the public keys that verify our tokens (RFC 7517 section 5). */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, publicAccess, type RouteAccess } from '@sallyport/http'
import type { JWK } from 'jose'

export function registerPublishSigningKeys(
  server: HttpServer,
  publishedKeys: () => readonly JWK[],
  access: RouteAccess = publicAccess,
): void {
  server.get(
    '/.well-known/jwks.json',
    {
      config: { access },
      schema: {
        operationId: 'readSigningKeys',
        summary: 'The public keys that verify our tokens',
        tags: ['auth'],
        response: { 200: Type.Object({ keys: Type.Array(Type.Record(Type.String(), Type.Unknown())) }) },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'public, max-age=60')
      return { keys: publishedKeys().map((key) => ({ ...key })) }
    },
  )
}
