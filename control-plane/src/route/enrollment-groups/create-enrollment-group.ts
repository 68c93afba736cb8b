/** POST /api/v1/enrollment-groups: a manufacturer's chain, whose devices may come from now on. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { withEntityTag } from '../../entity-tag.ts'
import { readEnrollmentChain } from './enrollment-chain.ts'
import { EnrollmentGroup, enrollmentGroupFields, presentEnrollmentGroup } from './enrollment-group-view.ts'

export function registerCreateEnrollmentGroup(server: HttpServer, { store, clock }: ApiPorts): void {
  const { name, certificateChain, leadCertificateName, expectedIntervalSeconds, allowsPsk } = enrollmentGroupFields
  server.post(
    '/api/v1/enrollment-groups',
    {
      config: { access: requires('groups:write'), once: true },
      schema: {
        operationId: 'createEnrollmentGroup',
        summary: 'Enroll the devices of a manufacturer’s authority',
        tags: ['enrollment'],
        body: Type.Object(
          {
            name,
            certificateChain,
            leadCertificateName: Type.Optional(leadCertificateName),
            expectedIntervalSeconds: Type.Optional(expectedIntervalSeconds),
            allowsPsk: Type.Optional(allowsPsk),
          },
          { additionalProperties: false },
        ),
        response: { 201: EnrollmentGroup },
      },
    },
    async (request, reply) => {
      const { body } = request
      const chain = readEnrollmentChain(body.certificateChain, body.leadCertificateName, clock.now())
      const group = await store.enrollmentGroups.create(
        callerOf(request).organizationId,
        {
          name: body.name,
          chainPem: body.certificateChain,
          ...chain,
          allowsPsk: body.allowsPsk ?? false,
          ...(body.expectedIntervalSeconds === undefined
            ? {}
            : { expectedIntervalSeconds: body.expectedIntervalSeconds }),
        },
        actOf(request),
      )
      withEntityTag(reply, group)
      return reply
        .code(201)
        .header('location', `/api/v1/enrollment-groups/${group.id}`)
        .send(presentEnrollmentGroup(group))
    },
  )
}
