/** Measurements as people see them. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import { toBase64Url } from '@sallyport/bytes'
import { toRfc3339 } from '@sallyport/clock'
import type { TelemetryPoint } from '@sallyport/store'
import { Time } from '../../presented-time.ts'

export const Measurement = Type.Object({
  name: Type.String(),
  at: Time,
  value: Type.Union([Type.Number(), Type.String(), Type.Boolean()], { description: 'Bytes are written as base64url.' }),
  unit: Type.Union([Type.String(), Type.Null()], { description: 'A SenML unit (RFC 8428 section 12.1).' }),
})
export type Measurement = Static<typeof Measurement>

export const presentMeasurement = (point: TelemetryPoint): Measurement => ({
  name: point.name,
  at: toRfc3339(point.at),
  value: point.value instanceof Uint8Array ? toBase64Url(point.value) : point.value,
  unit: point.unit ?? null,
})
