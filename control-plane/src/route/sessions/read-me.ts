/** GET /api/v1/me: who is calling, and what they may do; of an API key, who made it and what is left of that. */

import { Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { anyCallerAccess, type HttpServer } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { Time } from '../../presented-time.ts'
import { Person, presentPerson } from './auth-response.ts'

const Me = Type.Object({
  ...Person.properties,
  apiKey: Type.Optional(
    Type.Object(
      { id: Type.String({ format: 'uuid' }), name: Type.String(), expiresAt: Time },
      { description: 'Where it is an API key that is calling.' },
    ),
  ),
})

export function registerReadMe(server: HttpServer, ports: ApiPorts): void {
  server.get(
    '/api/v1/me',
    {
      config: { access: anyCallerAccess },
      schema: {
        operationId: 'readMe',
        summary: 'The person who is calling, or who made the API key',
        tags: ['auth'],
        response: { 200: Me },
      },
    },
    async (request) => {
      const caller = callerOf(request)
      const user = await ports.store.users.read(caller.userId, caller.organizationId)
      if (user === undefined) throw new CodedError('token-revoked', 'The user is gone.')
      const person = { ...presentPerson(user), permissions: [...caller.permissions].sort() }
      if (caller.kind === 'person') return person
      const { apiKeyId: id, name, expiresAt } = caller
      return { ...person, apiKey: { id, name, expiresAt: toRfc3339(expiresAt) } }
    },
  )
}
