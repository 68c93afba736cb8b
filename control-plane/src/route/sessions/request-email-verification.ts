/** POST /api/v1/me/email-verification: a mail with a token to the caller's address, and to no other. */

import { createHash, randomBytes } from 'node:crypto'
import { Type } from '@fastify/type-provider-typebox'
import { hours } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'

const lifetime = hours(1)

export const emailTokenHash = (token: string): Uint8Array => createHash('sha256').update(token).digest()

export function registerRequestEmailVerification(server: HttpServer, { store, sendsMail }: ApiPorts): void {
  server.post(
    '/api/v1/me/email-verification',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'requestEmailVerification',
        summary: 'Get a mail by which to verify one’s e-mail address',
        description:
          'It holds a token, good once and for an hour; a newer one takes its place. One mail in a minute. 409 for an address that is verified.',
        tags: ['auth'],
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      if (!sendsMail) throw new CodedError('dependency-unavailable', 'No mail server is configured here.')
      const { userId, organizationId } = callerOf(request)
      const token = randomBytes(32).toString('base64url')
      await store.emailVerifications.request(
        { userId, organizationId, token, tokenHash: emailTokenHash(token), lifetime },
        actOf(request),
      )
      return reply.code(204).send(null)
    },
  )
}
