/** An audit event as people see it. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import type { OpenedEvent } from '../../audit-opening.ts'
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
  sealed: Type.Record(
    Type.String(),
    Type.Union([Type.Literal('opened'), Type.Literal('erased'), Type.Literal('unavailable')]),
    {
      description:
        'What tells of a person is kept sealed: `address`, and fields of the details. Null where it is not `opened`: the person was erased, or the HSM does not answer now.',
    },
  ),
})
export type AuditEventView = Static<typeof AuditEventView>

export const presentAuditEvent = ({ event, sealed }: OpenedEvent): AuditEventView => ({
  id: event.id,
  type: event.type,
  severity: event.severity,
  outcome: event.outcome,
  occurredAt: toRfc3339(event.occurredAt),
  actor: { kind: event.actor.kind, id: event.actor.id, name: event.actor.name ?? null },
  subject: { kind: event.subject.kind, id: event.subject.id },
  correlationId: event.correlationId,
  address: sealed.has('address') ? (sealed.get('address')?.text ?? null) : (event.address ?? null),
  details: {
    ...event.details,
    ...Object.fromEntries(
      [...sealed].flatMap(([name, { text }]) => (name === 'address' ? [] : [[name, text ?? null]])),
    ),
  },
  sealed: Object.fromEntries([...sealed].map(([name, { state }]) => [name, state])),
})
