/** GET /api/v1/devices */

import { Type } from '@fastify/type-provider-typebox'
import { CodedError } from '@sallyport/errors'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { Device, presentDevice } from './device-view.ts'

const LabelQuery = Type.String({
  minLength: 3,
  maxLength: 320,
  description: '`name:value`; all of them must be there.',
})

export function registerListDevices(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/devices',
    {
      config: { access: requires('devices:read') },
      schema: {
        operationId: 'listDevices',
        summary: 'Devices',
        tags: ['devices'],
        querystring: Type.Object(
          {
            ...pageQuery,
            online: Type.Optional(Type.Boolean()),
            name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
            label: Type.Optional(Type.Union([LabelQuery, Type.Array(LabelQuery, { maxItems: 8 })])),
            groupId: Type.Optional(Type.String({ format: 'uuid' })),
            q: Type.Optional(
              Type.String({ minLength: 1, maxLength: 200, description: 'A part of the name or the id.' }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf(Device) },
      },
    },
    async (request) => {
      const { label, ...filters } = request.query
      const labels = label === undefined ? {} : { label: [label].flat().map(parseLabel) }
      const { organizationId } = callerOf(request)
      const page = await store.devices.list(organizationId, { limit: defaultLimit, ...filters, ...labels })
      return presentPage(page, presentDevice)
    },
  )
}

function parseLabel(text: string): { key: string; value: string } {
  const colon = text.indexOf(':')
  if (colon < 1) throw new CodedError('validation-failed', 'A label is asked for as name:value.')
  return { key: text.slice(0, colon), value: text.slice(colon + 1) }
}
