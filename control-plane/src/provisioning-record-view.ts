/** How far a device came at the dps, as people see it. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import type { ProvisioningRecord } from '@sallyport/store'
import { presentTime, Time, TimeOrNull } from './presented-time.ts'

const Step = Type.Object({
  step: Type.String(),
  at: Time,
  coapCode: Type.String(),
  errorCode: Type.Union([Type.String(), Type.Null()]),
  detail: Type.Union([Type.String(), Type.Null()]),
})

export const ProvisioningRecordView = Type.Object({
  id: Type.String({ format: 'uuid' }),
  enrollmentGroupId: Type.String({ format: 'uuid' }),
  deviceId: Type.Union([Type.String({ format: 'uuid' }), Type.Null()]),
  manufacturer: Type.Object({ commonName: Type.Union([Type.String(), Type.Null()]), publicKeySha256: Type.String() }),
  createdAt: Time,
  updatedAt: TimeOrNull,
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
  createdAt: toRfc3339(record.createdAt),
  updatedAt: presentTime(record.updatedAt),
  steps: record.steps.map((step) => ({
    step: step.step,
    at: toRfc3339(step.at),
    coapCode: step.coapCode,
    errorCode: step.errorCode ?? null,
    detail: step.detail ?? null,
  })),
})
