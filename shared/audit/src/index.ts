export {
  beforeFirstEntry,
  type ChainEntry,
  type ChainHead,
  type ChainPosition,
  chainEntry,
  documentSha256,
  eventDocument,
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
  sealedFieldNames,
} from './audit-event-types.ts'
export {
  type AuditExportEnd,
  type AuditExportEvent,
  type AuditExportHead,
  type AuditExportLine,
  type AuditExportOthers,
  type AuditExportStart,
  auditExportVersion,
} from './audit-export.ts'
export { type CanonicalValue, canonicalJson } from './canonical-json.ts'
export { type ChainFault, type ChainFaultReason, ChainVerification } from './chain-verification.ts'
export {
  type AuditExportReport,
  type AuditFinding,
  type AuditFindingReason,
  verifyAuditExport,
} from './export-verification.ts'
export { type HpkeAgreement, hpkeOpen, hpkeSeal, openGcm } from './hpke.ts'
export {
  isSealedText,
  openText,
  pointOf,
  type SealedPlace,
  type SealedText,
  sealedColumn,
  sealedInColumn,
  sealText,
  subjectKeyContext,
  subjectKeyPurpose,
} from './sealed-text.ts'
