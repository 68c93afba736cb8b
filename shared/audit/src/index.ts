export {
  beforeFirstEntry,
  type ChainEntry,
  type ChainHead,
  type ChainPosition,
  chainEntry,
  eventSha256,
  headBytes,
  type SealableEvent,
} from './audit-chain.ts'
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
export { type CanonicalValue, canonicalJson } from './canonical-json.ts'
export { type ChainFault, type ChainFaultReason, ChainVerification } from './chain-verification.ts'
