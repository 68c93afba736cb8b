/** An audit event as people see it. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import type { AuditEventRecord } from '@sallyport/store'
import { Time } from '../../presented-time.ts'

const NullableText = Type.Union([Type.String(), Type.Null()])

export const AuditEventView = Type.Object({
  id: Type.String({ format: 'uuid' }),
  type: Type.String(),
  severity: Type.String(),
  outcome: Type.String(),
  occurredAt: Time,
  actor: Type.Object({ kind: Type.String(), id: Type.String(), name: NullableText }),
  subject: Type.Object({ kind: Type.String(), id: Type.String() }),
  correlationId: Type.String(),
  address: NullableText,
  details: Type.Unknown({ description: 'By type.' }),
})
export type AuditEventView = Static<typeof AuditEventView>

export const presentAuditEvent = (event: AuditEventRecord): AuditEventView => ({
  id: event.id,
  type: event.type,
  severity: event.severity,
  outcome: event.outcome,
  occurredAt: toRfc3339(event.occurredAt),
  actor: { kind: event.actor.kind, id: event.actor.id, name: event.actor.name ?? null },
  subject: { kind: event.subject.kind, id: event.subject.id },
  correlationId: event.correlationId,
  address: event.address ?? null,
  details: event.details,
})
