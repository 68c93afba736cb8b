/** GET /api/v1/me: who is calling, and what they may do. */

import { CodedError } from '@sallyport/errors'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { Person, presentPerson } from './auth-response.ts'

export function registerReadMe(server: HttpServer, ports: ApiPorts): void {
  server.get(
    '/api/v1/me',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'readMe',
        summary: 'The person who is calling',
        tags: ['auth'],
        response: { 200: Person },
      },
    },
    async (request) => {
      const { userId, organizationId } = callerOf(request)
      const user = await ports.store.users.read(userId, organizationId)
      if (user === undefined) throw new CodedError('token-revoked', 'The user is gone.')
      return presentPerson(user)
    },
  )
}
