/**
 * POST /api/v1/auth/verify-email: the token of the mail, which shows that its address is read. Public, since the mail may be read
 * where nobody is logged in; the token is 256 bits.
 */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, publicAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { emailTokenHash } from './request-email-verification.ts'

export function registerVerifyEmail(server: HttpServer, { store }: ApiPorts): void {
  server.post(
    '/api/v1/auth/verify-email',
    {
      config: { access: publicAccess },
      schema: {
        operationId: 'verifyEmail',
        summary: 'Verify an e-mail address',
        tags: ['auth'],
        body: Type.Object({ token: Type.String({ minLength: 1, maxLength: 128 }) }, { additionalProperties: false }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await store.emailVerifications.confirm(emailTokenHash(request.body.token), {
        correlationId: request.id,
        address: request.ip,
      })
      return reply.code(204).send(null)
    },
  )
}
