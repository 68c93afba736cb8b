/** GET /api/v1/devices/{deviceId}/commands */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { found } from '../../found.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { DeviceParams } from '../devices/device-view.ts'
import { Command, presentCommand } from './command-view.ts'

export function registerListCommands(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/devices/:deviceId/commands',
    {
      config: { access: requires('devices:read') },
      schema: {
        operationId: 'listCommands',
        summary: 'Commands to a device, the newest first',
        tags: ['devices'],
        params: DeviceParams,
        querystring: Type.Object(pageQuery, { additionalProperties: false }),
        response: { 200: pageOf(Command) },
      },
    },
    async (request) => {
      const { organizationId } = callerOf(request)
      const { deviceId } = request.params
      found(await store.devices.read(organizationId, deviceId))
      const page = await store.commands.list(organizationId, deviceId, { limit: defaultLimit, ...request.query })
      return presentPage(page, presentCommand)
    },
  )
}
