/** PUT /api/v1/devices/{deviceId}/resources/{href}: an update for the device itself; its answer, or the pending command. */

import { hours, inSeconds, later } from '@sallyport/clock'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { found } from '../../found.ts'
import { readJsonValue } from '../../json-value.ts'
import { answerOf, Command, CommandAnswer, presentCommand } from '../commands/command-view.ts'
import { PreferHeader, preferredWait } from './prefer-wait.ts'
import { hrefOf, Representation, ResourceParams } from './resource-view.ts'

/** How long a command waits for a device that is offline. */
const commandLifetime = hours(24)

export function registerCommandResource(server: HttpServer, { store, clock, commandAnswers }: ApiPorts): void {
  server.put(
    '/api/v1/devices/:deviceId/resources/*',
    {
      config: { access: requires('devices:command'), once: true },
      schema: {
        operationId: 'updateResource',
        summary: 'Update a resource on the device',
        description:
          '200 with the device’s answer; 202 with the pending command when the device is offline or does not answer within 10 s (`Prefer: wait=N` for another time).',
        tags: ['devices'],
        params: ResourceParams,
        headers: PreferHeader,
        body: Representation,
        response: { 200: CommandAnswer, 202: Command },
      },
    },
    async (request, reply) => {
      const { organizationId } = callerOf(request)
      const { deviceId } = request.params
      const device = found(await store.devices.read(organizationId, deviceId))
      const wait = preferredWait(request)
      const created = await store.commands.create(
        organizationId,
        {
          deviceId,
          href: hrefOf(request.params),
          method: 'POST',
          payload: readJsonValue(request.body),
          expiresAt: later(clock.now(), commandLifetime),
        },
        actOf(request),
      )
      const command = device.online ? found(await commandAnswers.wait(organizationId, created.id, wait)) : created
      const answer = answerOf(command)
      if (answer !== undefined) return answer
      return reply
        .code(202)
        .header('location', `/api/v1/devices/${deviceId}/commands/${command.id}`)
        .header('preference-applied', `wait=${inSeconds(wait)}`)
        .send(presentCommand(command))
    },
  )
}
