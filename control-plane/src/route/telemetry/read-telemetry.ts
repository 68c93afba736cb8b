/** GET /api/v1/devices/{deviceId}/telemetry: the last value of each measurement, or with `name` a range of one. */

import { Type } from '@fastify/type-provider-typebox'
import { instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { found } from '../../found.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { readTime, Time } from '../../presented-time.ts'
import { DeviceParams } from '../devices/device-view.ts'
import { Measurement, presentMeasurement } from './telemetry-view.ts'

export function registerReadTelemetry(server: HttpServer, { store, clock }: ApiPorts): void {
  server.get(
    '/api/v1/devices/:deviceId/telemetry',
    {
      config: { access: requires('telemetry:read') },
      schema: {
        operationId: 'readTelemetry',
        summary: 'What a device measured',
        description: 'Without `name` the last value of each measurement; with it a range of one, the newest first.',
        tags: ['devices'],
        params: DeviceParams,
        querystring: Type.Object(
          {
            ...pageQuery,
            limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
            name: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
            from: Type.Optional(Time),
            to: Type.Optional(Time),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf(Measurement) },
      },
    },
    async (request) => {
      const { organizationId } = callerOf(request)
      const { deviceId } = request.params
      const { name, from, to, cursor, limit } = request.query
      found(await store.devices.read(organizationId, deviceId))
      if (name === undefined) {
        if (from !== undefined || to !== undefined || cursor !== undefined) {
          throw new CodedError('validation-failed', 'A range is of one measurement: give its name.')
        }
        const items = await store.telemetry.last(organizationId, deviceId)
        return { items: items.map(presentMeasurement), nextCursor: null }
      }
      const page = await store.telemetry.range(organizationId, deviceId, {
        name,
        from: from === undefined ? instant(0) : readTime(from),
        to: to === undefined ? clock.now() : readTime(to),
        limit: limit ?? defaultLimit,
        ...(cursor === undefined ? {} : { cursor }),
      })
      return presentPage(page, presentMeasurement)
    },
  )
}
