/** POST /api/v1/devices/{deviceId}/psks: a further key for a device; its others end once it has signed in with this one. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { DeviceParams } from '../devices/device-view.ts'
import { givenPsk, keyGivenIn, ShownPsk, showPsk } from './psk-view.ts'

export function registerReplacePsk(server: HttpServer, { store, devicePsks }: ApiPorts): void {
  server.post(
    '/api/v1/devices/:deviceId/psks',
    {
      config: { access: requires('groups:write'), once: true },
      schema: {
        operationId: 'replacePsk',
        summary: 'Replace the pre-shared key of a device',
        description:
          'The new key has an identity of its own (`id`). The old one is good until the device signs in with the new.',
        tags: ['enrollment'],
        params: DeviceParams,
        body: Type.Object(givenPsk, { additionalProperties: false }),
        response: { 201: ShownPsk },
      },
    },
    async (request, reply) => {
      const created = await devicePsks.create(keyGivenIn(request.body))
      const { organizationId } = callerOf(request)
      const psk = await store.psks.replace(organizationId, request.params.deviceId, created, actOf(request))
      return reply.code(201).header('cache-control', 'no-store').send(showPsk(psk, created))
    },
  )
}
