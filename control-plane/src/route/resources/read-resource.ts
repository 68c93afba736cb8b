/** GET /api/v1/devices/{deviceId}/resources/{href}: the twin, or with `?twin=false` the device itself, asked now. */

import { Type } from '@fastify/type-provider-typebox'
import { later, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { found } from '../../found.ts'
import { answerOf, CommandAnswer } from '../commands/command-view.ts'
import { PreferHeader, preferredWait } from './prefer-wait.ts'
import { hrefOf, presentResource, Resource, ResourceParams } from './resource-view.ts'

export function registerReadResource(server: HttpServer, { store, clock, commandAnswers }: ApiPorts): void {
  server.get(
    '/api/v1/devices/:deviceId/resources/*',
    {
      config: { access: requires('devices:read') },
      schema: {
        operationId: 'readResource',
        summary: 'A resource of a device',
        description:
          'With `twin=false` the device is asked; `Prefer: wait=N` says for how many seconds (10 unless told).',
        tags: ['devices'],
        params: ResourceParams,
        headers: PreferHeader,
        querystring: Type.Object({ twin: Type.Optional(Type.Boolean()) }, { additionalProperties: false }),
        response: { 200: Type.Union([Resource, CommandAnswer]) },
      },
    },
    async (request) => {
      const { organizationId } = callerOf(request)
      const { deviceId } = request.params
      const href = hrefOf(request.params)
      const device = found(await store.devices.read(organizationId, deviceId))
      if (request.query.twin !== false) {
        const [links, twins] = await Promise.all([
          store.resources.links(organizationId, deviceId),
          store.resources.twin(organizationId, deviceId, href),
        ])
        const link = links.find((candidate) => candidate.href === href)
        const twin = twins.find((candidate) => candidate.href === href)
        return presentResource(href, link, link === undefined ? found(twin) : twin)
      }
      // A reading is for the one who asks now: it is not kept for a device that comes back later.
      if (!device.online)
        throw new CodedError('device-offline', 'The device is offline; the twin holds its last report.')
      const wait = preferredWait(request)
      const command = await store.commands.create(
        organizationId,
        { deviceId, href, method: 'GET', payload: null, expiresAt: later(clock.now(), seconds(wait / 1000 + 1)) },
        actOf(request),
      )
      const answer = answerOf(found(await commandAnswers.wait(organizationId, command.id, wait)))
      if (answer !== undefined) return answer
      throw new CodedError('device-not-responding', 'The device did not answer in time.', {
        details: { commandId: command.id },
      })
    },
  )
}
