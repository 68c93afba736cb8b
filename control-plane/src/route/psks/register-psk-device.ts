/** POST /api/v1/enrollment-groups/{groupId}/psk-devices: a device that authenticates with a pre-shared key. */

import { Type } from '@fastify/type-provider-typebox'
import { later, toRfc3339 } from '@sallyport/clock'
import { longestOnboardingCodeLifetime } from '@sallyport/fleet'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { newOnboardingCode } from '../../device-tokens.ts'
import { EnrollmentGroupParams } from '../enrollment-groups/enrollment-group-view.ts'
import { givenPsk, keyGivenIn, ShownOnboardingCode, ShownPsk, showPsk } from './psk-view.ts'

export function registerRegisterPskDevice(server: HttpServer, { store, clock, devicePsks }: ApiPorts): void {
  server.post(
    '/api/v1/enrollment-groups/:groupId/psk-devices',
    {
      config: { access: requires('groups:write'), once: true },
      schema: {
        operationId: 'registerPskDevice',
        summary: 'Register a device with a pre-shared key',
        description:
          'In a group that allows it. The answer is what the device needs to sign up at the gateway: its id, the PSK identity ' +
          '(`id`), the key, and a code for one sign-up within ten minutes.',
        tags: ['enrollment'],
        params: EnrollmentGroupParams,
        body: Type.Object(
          { name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })), ...givenPsk },
          { additionalProperties: false },
        ),
        response: { 201: Type.Object({ ...ShownPsk.properties, ...ShownOnboardingCode.properties }) },
      },
    },
    async (request, reply) => {
      const { groupId } = request.params
      const created = await devicePsks.create(keyGivenIn(request.body))
      const code = newOnboardingCode()
      const expiresAt = later(clock.now(), longestOnboardingCodeLifetime)
      const psk = await store.psks.register(
        callerOf(request).organizationId,
        { groupId, name: request.body.name, psk: created, code: { codeHash: code.hash, expiresAt } },
        actOf(request),
      )
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({
          ...showPsk(psk, created),
          onboardingCode: code.value,
          onboardingCodeExpiresAt: toRfc3339(expiresAt),
        })
    },
  )
}
