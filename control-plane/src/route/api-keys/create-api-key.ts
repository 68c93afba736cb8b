/**
 * POST /api/v1/auth/api-key: a key for a program. It is in this answer and nowhere else; a repeat of the request with its
 * `Idempotency-Key`, by the same person and under the same conditions, gets the same answer for 24 h, sealed until then: whose
 * answer was lost would be left with a key that nobody has.
 */

import { Type } from '@fastify/type-provider-typebox'
import { between, days } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { withEntityTag } from '../../entity-tag.ts'
import { readTime, Time } from '../../presented-time.ts'
import {
  AllowedAddresses,
  ApiKey,
  ApiKeyName,
  presentApiKey,
  RequestsPerMinute,
  readNetworks,
  Scopes,
} from './api-key-view.ts'

const longestLifetime = days(366)

export function registerCreateApiKey(server: HttpServer, { store, clock, apiKeys }: ApiPorts): void {
  server.post(
    '/api/v1/auth/api-key',
    {
      config: { access: requires('api-keys:write', { verifiedEmail: true, recentAuthentication: true }), once: true },
      schema: {
        operationId: 'createApiKey',
        summary: 'Make an API key',
        description:
          'For a program: it is sent as Bearer wherever an access token is. Only a person with a verified e-mail address who has logged in a short while ago makes one. The key is shown once.',
        tags: ['auth'],
        body: Type.Object(
          {
            name: ApiKeyName,
            scopes: Scopes,
            expiresAt: { ...Time, description: 'At most 366 days from now.' },
            allowedAddresses: Type.Optional(AllowedAddresses),
            requestsPerMinute: Type.Optional(RequestsPerMinute),
          },
          { additionalProperties: false },
        ),
        response: {
          201: Type.Object({
            ...ApiKey.properties,
            key: Type.String({ description: 'The key itself. It is not shown again.' }),
          }),
        },
      },
    },
    async (request, reply) => {
      const { name, scopes, allowedAddresses = [], requestsPerMinute } = request.body
      const expiresAt = readTime(request.body.expiresAt)
      const lifetime = between(clock.now(), expiresAt)
      if (lifetime <= 0 || lifetime > longestLifetime) {
        throw new CodedError('validation-failed', 'expiresAt: send a time that is to come, within 366 days.')
      }
      const networks = readNetworks(allowedAddresses)
      const { id, key, sha256: keySha256 } = apiKeys.generate()
      const made = await store.apiKeys.create(
        callerOf(request).organizationId,
        { id, name, keySha256, scopes, allowedAddresses: networks, requestsPerMinute, expiresAt },
        actOf(request),
      )
      withEntityTag(reply, made)
      return reply
        .code(201)
        .header('location', `/api/v1/api-keys/${id}`)
        .send({ ...presentApiKey(made), key })
    },
  )
}
