/** A device as people see it. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import type { DeviceRecord } from '@sallyport/store'
import { presentTime, Time, TimeOrNull } from '../../presented-time.ts'

export const Labels = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' }),
  Type.String({ maxLength: 255 }),
  { maxProperties: 32, additionalProperties: false, description: 'Names and values of your own.' },
)

export const Device = Type.Object({
  id: Type.String({ format: 'uuid' }),
  name: Type.String(),
  labels: Type.Record(Type.String(), Type.String()),
  enrollmentGroupId: Type.String({ format: 'uuid' }),
  online: Type.Boolean({ description: 'Signed in, and heard of within its expected interval.' }),
  lastSeenAt: TimeOrNull,
  registeredAt: Time,
  version: Type.Integer({ description: 'The same as the ETag.' }),
})
export type Device = Static<typeof Device>

export const presentDevice = (device: DeviceRecord): Device => ({
  id: device.id,
  name: device.name,
  labels: { ...device.labels },
  enrollmentGroupId: device.groupId,
  online: device.online,
  lastSeenAt: presentTime(device.lastSeenAt),
  registeredAt: toRfc3339(device.registeredAt),
  version: device.version,
})

export const DeviceParams = Type.Object({ deviceId: Type.String({ format: 'uuid' }) })
