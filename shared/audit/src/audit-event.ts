/** One event of the audit trail: who did what to what, how it ended, and what it belongs together with. */

import type { Instant } from '@sallyport/clock'
import type { AuditDetails, AuditEventType } from './audit-event-types.ts'

export const auditActorKinds = ['user', 'api-key', 'device', 'service', 'system'] as const
export type AuditActorKind = (typeof auditActorKinds)[number]

export interface AuditActor {
  readonly kind: AuditActorKind
  readonly id: string
  readonly name?: string
}

export const auditSubjectKinds = [
  'organization',
  'user',
  'invitation',
  'api-key',
  'role',
  'group',
  'provisioning-record',
  'device',
  'certificate',
  'onboarding-code',
  'command',
  'resource',
  'gateway',
  'authority',
  'jwt-key',
  'sealing-key',
  'hub',
  'job',
  'route',
  'audit-subject',
  'audit-opening-key',
] as const
export type AuditSubjectKind = (typeof auditSubjectKinds)[number]

export const auditOutcomes = ['succeeded', 'failed'] as const
export type AuditOutcome = (typeof auditOutcomes)[number]

export interface AuditEvent<Type extends AuditEventType = AuditEventType> {
  readonly id: string
  readonly type: Type
  readonly occurredAt: Instant
  /** Absent for what concerns the installation and no single customer. */
  readonly organizationId?: string
  readonly actor: AuditActor
  /** From where the actor acted. */
  readonly address?: string
  readonly subject: { readonly kind: AuditSubjectKind; readonly id: string }
  readonly outcome: AuditOutcome
  /** The same on the datagram, in the logs and in HTTP. */
  readonly correlationId: string
  readonly details: AuditDetails<Type>
}
