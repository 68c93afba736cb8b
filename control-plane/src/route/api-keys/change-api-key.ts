/**
 * PATCH /api/v1/api-keys/{apiKeyId}: another name, addresses, limit, fewer scopes; within a second, everywhere. Never more scopes
 * and no later end: a key that is in somebody's hands does not grow.
 */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { expectedVersion, IfMatchHeader, withEntityTag } from '../../entity-tag.ts'
import {
  AllowedAddresses,
  ApiKey,
  ApiKeyName,
  ApiKeyParams,
  overseenBy,
  presentApiKey,
  RequestsPerMinute,
  readNetworks,
  Scopes,
} from './api-key-view.ts'

export function registerChangeApiKey(server: HttpServer, { store }: ApiPorts): void {
  server.patch(
    '/api/v1/api-keys/:apiKeyId',
    {
      config: { access: requires('api-keys:write', { verifiedEmail: true, recentAuthentication: true }) },
      schema: {
        operationId: 'changeApiKey',
        summary: 'Change an API key',
        description: 'Scopes may only become fewer: whoever needs more makes another key.',
        tags: ['auth'],
        params: ApiKeyParams,
        headers: IfMatchHeader,
        body: Type.Object(
          {
            name: Type.Optional(ApiKeyName),
            scopes: Type.Optional(Scopes),
            allowedAddresses: Type.Optional(AllowedAddresses),
            requestsPerMinute: Type.Optional(Type.Union([RequestsPerMinute, Type.Null()])),
          },
          { additionalProperties: false, minProperties: 1 },
        ),
        response: { 200: ApiKey },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const { allowedAddresses, ...patch } = request.body
      const networks = allowedAddresses === undefined ? {} : { allowedAddresses: readNetworks(allowedAddresses) }
      const key = await store.apiKeys.change(
        caller.organizationId,
        request.params.apiKeyId,
        { patch: { ...patch, ...networks }, madeBy: overseenBy(caller), expectedVersion: expectedVersion(request) },
        actOf(request),
      )
      withEntityTag(reply, key)
      return presentApiKey(key)
    },
  )
}
