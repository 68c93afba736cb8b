/** How far a device came at the dps, as people see it. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import type { ProvisioningRecord } from '@sallyport/store'
import { Time } from '../../presented-time.ts'

const Step = Type.Object({
  step: Type.String(),
  at: Time,
  coapCode: Type.String(),
  errorCode: Type.Union([Type.String(), Type.Null()]),
  detail: Type.Union([Type.String(), Type.Null()]),
  attempts: Type.Integer({ description: 'How often the device asked for the step.' }),
})

export const ProvisioningRecordView = Type.Object({
  id: Type.String({ format: 'uuid' }),
  enrollmentGroupId: Type.String({ format: 'uuid' }),
  deviceId: Type.Union([Type.String({ format: 'uuid' }), Type.Null()]),
  manufacturer: Type.Object({ commonName: Type.Union([Type.String(), Type.Null()]), publicKeySha256: Type.String() }),
  remote: Type.String({ description: 'Where the device was last seen.' }),
  createdAt: Time,
  updatedAt: Time,
  steps: Type.Array(Step),
})
export type ProvisioningRecordView = Static<typeof ProvisioningRecordView>

export const presentProvisioningRecord = (record: ProvisioningRecord): ProvisioningRecordView => ({
  id: record.id,
  enrollmentGroupId: record.groupId,
  deviceId: record.deviceId ?? null,
  manufacturer: {
    commonName: record.manufacturer.commonName ?? null,
    publicKeySha256: record.manufacturer.spkiSha256,
  },
  remote: record.remote,
  createdAt: toRfc3339(record.createdAt),
  updatedAt: toRfc3339(record.updatedAt),
  steps: record.steps.map((step) => ({
    step: step.step,
    at: toRfc3339(step.at),
    coapCode: step.coapCode,
    errorCode: step.errorCode ?? null,
    detail: step.detail ?? null,
    attempts: step.attempts,
  })),
})
