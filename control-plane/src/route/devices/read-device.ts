/** GET /api/v1/devices/{deviceId} */

import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { withEntityTag } from '../../entity-tag.ts'
import { found } from '../../found.ts'
import { Device, DeviceParams, presentDevice } from './device-view.ts'

export function registerReadDevice(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/devices/:deviceId',
    {
      config: { access: requires('devices:read') },
      schema: {
        operationId: 'readDevice',
        summary: 'A device',
        tags: ['devices'],
        params: DeviceParams,
        response: { 200: Device },
      },
    },
    async (request, reply) => {
      const device = found(await store.devices.read(callerOf(request).organizationId, request.params.deviceId))
      withEntityTag(reply, device)
      return presentDevice(device)
    },
  )
}
