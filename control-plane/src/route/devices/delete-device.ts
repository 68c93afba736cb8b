/** DELETE /api/v1/devices/{deviceId}: its association is closed, its certificates and tokens end, it is forgotten. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { DeviceParams } from './device-view.ts'

export function registerDeleteDevice(server: HttpServer, { store }: ApiPorts): void {
  server.delete(
    '/api/v1/devices/:deviceId',
    {
      config: { access: requires('devices:write') },
      schema: {
        operationId: 'deleteDevice',
        summary: 'Forget a device',
        description: 'Its association is closed within a second; it may be provisioned again.',
        tags: ['devices'],
        params: DeviceParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await store.devices.delete(callerOf(request).organizationId, request.params.deviceId, actOf(request))
      return reply.code(204).send(null)
    },
  )
}
