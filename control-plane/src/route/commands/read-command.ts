/** GET /api/v1/devices/{deviceId}/commands/{commandId} */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { found } from '../../found.ts'
import { Command, presentCommand } from './command-view.ts'

export function registerReadCommand(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/devices/:deviceId/commands/:commandId',
    {
      config: { access: requires('devices:read') },
      schema: {
        operationId: 'readCommand',
        summary: 'A command and what became of it',
        tags: ['devices'],
        params: Type.Object({ deviceId: Type.String({ format: 'uuid' }), commandId: Type.String({ format: 'uuid' }) }),
        response: { 200: Command },
      },
    },
    async (request) => {
      const { deviceId, commandId } = request.params
      const command = await store.commands.read(callerOf(request).organizationId, commandId)
      return presentCommand(found(command?.deviceId === deviceId.toLowerCase() ? command : undefined))
    },
  )
}
