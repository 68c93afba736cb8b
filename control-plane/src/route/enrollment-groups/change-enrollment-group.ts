/** PATCH /api/v1/enrollment-groups/{groupId}: what is named is replaced. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { expectedVersion, IfMatchHeader, withEntityTag } from '../../entity-tag.ts'
import { found } from '../../found.ts'
import { readEnrollmentChain } from './enrollment-chain.ts'
import {
  EnrollmentGroup,
  EnrollmentGroupParams,
  enrollmentGroupFields,
  presentEnrollmentGroup,
} from './enrollment-group-view.ts'

export function registerChangeEnrollmentGroup(server: HttpServer, { store, clock }: ApiPorts): void {
  server.patch(
    '/api/v1/enrollment-groups/:groupId',
    {
      config: { access: requires('groups:write') },
      schema: {
        operationId: 'changeEnrollmentGroup',
        summary: 'Change an enrollment group',
        tags: ['enrollment'],
        params: EnrollmentGroupParams,
        headers: IfMatchHeader,
        body: Type.Object(
          {
            ...Type.Partial(Type.Object(enrollmentGroupFields)).properties,
            state: Type.Optional(Type.Union([Type.Literal('active'), Type.Literal('disabled')])),
          },
          { additionalProperties: false, minProperties: 1 },
        ),
        response: { 200: EnrollmentGroup },
      },
    },
    async (request, reply) => {
      const version = expectedVersion(request)
      const { organizationId } = callerOf(request)
      const { certificateChain, leadCertificateName, ...patch } = request.body
      const present = found(await store.enrollmentGroups.read(organizationId, request.params.groupId))
      // A new lead is looked for in the chain that is there, and a new chain is read from scratch.
      const rechained =
        certificateChain === undefined && leadCertificateName === undefined
          ? {}
          : {
              chainPem: certificateChain ?? present.chainPem,
              ...readEnrollmentChain(certificateChain ?? present.chainPem, leadCertificateName, clock.now()),
            }
      const group = await store.enrollmentGroups.change(
        organizationId,
        request.params.groupId,
        { ...patch, ...rechained },
        version,
        actOf(request),
      )
      withEntityTag(reply, group)
      return presentEnrollmentGroup(group)
    },
  )
}
