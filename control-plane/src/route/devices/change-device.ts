/** PATCH /api/v1/devices/{deviceId}: its name and its labels; labels are replaced as a whole. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { expectedVersion, IfMatchHeader, withEntityTag } from '../../entity-tag.ts'
import { Device, DeviceParams, Labels, presentDevice } from './device-view.ts'

export function registerChangeDevice(server: HttpServer, { store }: ApiPorts): void {
  server.patch(
    '/api/v1/devices/:deviceId',
    {
      config: { access: requires('devices:write') },
      schema: {
        operationId: 'changeDevice',
        summary: 'Name or label a device',
        tags: ['devices'],
        params: DeviceParams,
        headers: IfMatchHeader,
        body: Type.Object(
          { name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })), labels: Type.Optional(Labels) },
          { additionalProperties: false, minProperties: 1 },
        ),
        response: { 200: Device },
      },
    },
    async (request, reply) => {
      const version = expectedVersion(request)
      const { organizationId } = callerOf(request)
      const device = await store.devices.change(
        organizationId,
        request.params.deviceId,
        request.body,
        version,
        actOf(request),
      )
      withEntityTag(reply, device)
      return presentDevice(device)
    },
  )
}
