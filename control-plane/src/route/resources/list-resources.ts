/** GET /api/v1/devices/{deviceId}/resources: what the device published, with what it last reported. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { found } from '../../found.ts'
import { DeviceParams } from '../devices/device-view.ts'
import { presentResource, Resource } from './resource-view.ts'

export function registerListResources(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/devices/:deviceId/resources',
    {
      config: { access: requires('devices:read') },
      schema: {
        operationId: 'listResources',
        summary: 'The resources of a device',
        tags: ['devices'],
        params: DeviceParams,
        response: { 200: Type.Object({ items: Type.Array(Resource), nextCursor: Type.Null() }) },
      },
    },
    async (request) => {
      const { organizationId } = callerOf(request)
      const { deviceId } = request.params
      found(await store.devices.read(organizationId, deviceId))
      const [links, twins] = await Promise.all([
        store.resources.links(organizationId, deviceId),
        store.resources.twin(organizationId, deviceId),
      ])
      const hrefs = [...new Set([...links.map(({ href }) => href), ...twins.map(({ href }) => href)])].sort()
      const items = hrefs.map((href) =>
        presentResource(
          href,
          links.find((link) => link.href === href),
          twins.find((twin) => twin.href === href),
        ),
      )
      return { items, nextCursor: null }
    },
  )
}
