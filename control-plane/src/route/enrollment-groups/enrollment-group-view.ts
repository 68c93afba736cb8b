/** An enrollment group as people see it. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import type { EnrollmentGroupRecord } from '@sallyport/store'
import { Time } from '../../presented-time.ts'

export const EnrollmentGroup = Type.Object({
  id: Type.String({ format: 'uuid' }),
  name: Type.String(),
  state: Type.Union([Type.Literal('pending-proof'), Type.Literal('active'), Type.Literal('disabled')]),
  certificateChain: Type.String({ description: 'PEM.' }),
  leadCertificateName: Type.String({ description: 'Common name of the authority that issues to the devices.' }),
  expectedIntervalSeconds: Type.Integer({ description: 'A device that is silent for longer counts as offline.' }),
  allowsPsk: Type.Boolean({
    description: 'Whether devices with a pre-shared key may be registered in it, and come in.',
  }),
  createdAt: Time,
  updatedAt: Time,
  version: Type.Integer({ description: 'The same as the ETag.' }),
})
export type EnrollmentGroup = Static<typeof EnrollmentGroup>

export const presentEnrollmentGroup = (group: EnrollmentGroupRecord): EnrollmentGroup => ({
  id: group.id,
  name: group.name,
  state: group.state,
  certificateChain: group.chainPem,
  leadCertificateName: group.leadCertificateName,
  expectedIntervalSeconds: group.expectedIntervalSeconds,
  allowsPsk: group.allowsPsk,
  createdAt: toRfc3339(group.createdAt),
  updatedAt: toRfc3339(group.updatedAt),
  version: group.version,
})

export const EnrollmentGroupParams = Type.Object({ groupId: Type.String({ format: 'uuid' }) })

/** What people set. */
export const enrollmentGroupFields = {
  name: Type.String({ minLength: 1, maxLength: 200 }),
  certificateChain: Type.String({
    minLength: 1,
    maxLength: 131_072,
    description: 'PEM: the authority that issues to the devices first, its issuers after it.',
  }),
  leadCertificateName: Type.String({
    minLength: 1,
    maxLength: 256,
    description: 'Common name of the authority that issues to the devices; the first of the chain unless told.',
  }),
  expectedIntervalSeconds: Type.Integer({ minimum: 5, maximum: 604_800 }),
  allowsPsk: Type.Boolean({ description: 'Certificates alone unless it is true.' }),
}
