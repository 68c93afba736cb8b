/** POST /internal/v1/onboarding-codes: the single-use code that a device redeems at the gateway (design §7). For the dps. */

import { Type } from '@fastify/type-provider-typebox'
import type { Duration } from '@sallyport/clock'
import { inSeconds, later, minutes } from '@sallyport/clock'
import { callerService, type HttpServer, services } from '@sallyport/http'
import { newOnboardingCode } from '../../device-tokens.ts'
import type { InternalPorts } from '../../internal-ports.ts'

const longestLifetime = minutes(10)

export function registerCreateOnboardingCode(server: HttpServer, ports: InternalPorts): void {
  server.post(
    '/internal/v1/onboarding-codes',
    {
      config: { access: services('dps') },
      schema: {
        body: Type.Object(
          { deviceId: Type.String({ format: 'uuid' }), recordId: Type.String({ format: 'uuid' }) },
          { additionalProperties: false },
        ),
        response: {
          201: Type.Object({ code: Type.String(), expiresIn: Type.Integer(), providerName: Type.Literal('sallyport') }),
        },
      },
    },
    async (request, reply) => {
      const { deviceId, recordId } = request.body
      const lifetime = Math.min(ports.onboardingCodeLifetime, longestLifetime) as Duration
      const code = newOnboardingCode()
      await ports.store.onboardingCodes.create(
        { codeHash: code.hash, deviceId, recordId, expiresAt: later(ports.clock.now(), lifetime) },
        { actor: { kind: 'service', id: callerService(request) }, correlationId: request.id },
      )
      return reply.code(201).send({ code: code.value, expiresIn: inSeconds(lifetime), providerName: 'sallyport' })
    },
  )
}
