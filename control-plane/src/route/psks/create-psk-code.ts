/** POST /api/v1/devices/{deviceId}/onboarding-codes: a code with which a device with a pre-shared key signs up. */

import { later, toRfc3339 } from '@sallyport/clock'
import { longestOnboardingCodeLifetime } from '@sallyport/fleet'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { newOnboardingCode } from '../../device-tokens.ts'
import { DeviceParams } from '../devices/device-view.ts'
import { ShownOnboardingCode } from './psk-view.ts'

export function registerCreatePskCode(server: HttpServer, { store, clock }: ApiPorts): void {
  server.post(
    '/api/v1/devices/:deviceId/onboarding-codes',
    {
      config: { access: requires('groups:write'), once: true },
      schema: {
        operationId: 'createOnboardingCode',
        summary: 'Make a code for one sign-up of a device with a pre-shared key',
        description: 'Good for ten minutes; it takes the place of earlier ones that were not used.',
        tags: ['enrollment'],
        params: DeviceParams,
        response: { 201: ShownOnboardingCode },
      },
    },
    async (request, reply) => {
      const code = newOnboardingCode()
      const expiresAt = later(clock.now(), longestOnboardingCodeLifetime)
      const { organizationId } = callerOf(request)
      const { deviceId } = request.params
      await store.psks.createCode(organizationId, deviceId, { codeHash: code.hash, expiresAt }, actOf(request))
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ onboardingCode: code.value, onboardingCodeExpiresAt: toRfc3339(expiresAt) })
    },
  )
}
