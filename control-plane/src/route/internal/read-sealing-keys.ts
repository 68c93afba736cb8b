/** GET /internal/v1/sealing-keys: what seals session tickets and snapshots of associations (design §4). For gateways alone. */

import { Type } from '@fastify/type-provider-typebox'
import { toBase64Url } from '@sallyport/bytes'
import { type HttpServer, services } from '@sallyport/http'
import type { InternalPorts } from '../../internal-ports.ts'

export function registerReadSealingKeys(server: HttpServer, ports: Pick<InternalPorts, 'sealingKeys'>): void {
  server.get(
    '/internal/v1/sealing-keys',
    {
      config: { access: services('gateway') },
      schema: {
        response: {
          200: Type.Object({ keys: Type.Array(Type.Object({ id: Type.String(), key: Type.String() })) }),
        },
      },
    },
    async (_request, reply) => {
      const keys = await ports.sealingKeys.live()
      reply.header('cache-control', 'no-store')
      return { keys: keys.map(({ id, key }) => ({ id: toBase64Url(id), key: toBase64Url(key.expose()) })) }
    },
  )
}
