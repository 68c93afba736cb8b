/**
 * POST /internal/v1/psk-lookup: the key of a PSK identity (design §7). For gateways alone.
 *
 * The identity is in the body: what devices name themselves with belongs in no log of URLs.
 */

import { Type } from '@fastify/type-provider-typebox'
import { fromBase64Url, toBase64Url } from '@sallyport/bytes'
import { CodedError, hasCode } from '@sallyport/errors'
import { type HttpServer, services } from '@sallyport/http'
import type { InternalPorts } from '../../internal-ports.ts'

export function registerLookUpPsk(server: HttpServer, { devicePsks }: Pick<InternalPorts, 'devicePsks'>): void {
  server.post(
    '/internal/v1/psk-lookup',
    {
      config: { access: services('gateway') },
      schema: {
        // 128 bytes at most, as in the handshake.
        body: Type.Object({ identity: Type.String({ minLength: 2, maxLength: 171 }) }, { additionalProperties: false }),
        response: {
          200: Type.Union([
            Type.Object({
              found: Type.Literal(true),
              deviceId: Type.String(),
              organizationId: Type.String(),
              key: Type.String(),
            }),
            Type.Object({ found: Type.Literal(false), code: Type.String(), deviceId: Type.Optional(Type.String()) }),
          ]),
        },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store')
      const looked = await devicePsks.lookUp(identityIn(request.body.identity))
      if (!looked.found) return looked
      const { found, deviceId, organizationId } = looked
      const key = toBase64Url(looked.key.expose())
      looked.key.wipe()
      return { found, deviceId, organizationId, key }
    },
  )
}

function identityIn(text: string): Uint8Array {
  try {
    return fromBase64Url(text)
  } catch (error) {
    if (!hasCode(error, 'malformed-bytes')) throw error
    throw new CodedError('validation-failed', 'The identity is not base64url.')
  }
}
