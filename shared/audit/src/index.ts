export {
  type AuditActor,
  type AuditActorKind,
  type AuditEvent,
  type AuditOutcome,
  type AuditSubjectKind,
  auditActorKinds,
  auditOutcomes,
  auditSubjectKinds,
} from './audit-event.ts'
export {
  type AuditDetails,
  type AuditEventDefinition,
  type AuditEventType,
  type AuditSeverity,
  auditEventTypes,
  auditSeverities,
  checkAuditDetails,
  isAuditEventType,
} from './audit-event-types.ts'
