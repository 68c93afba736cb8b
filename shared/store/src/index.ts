export type { ActContext, IdempotencyKey } from './act.ts'
export type { ApiKeyPatch, ApiKeyRecord, ApiKeyState, ApiKeys, NewApiKey, PresentedApiKey } from './api-keys.ts'
export type { AuditChain, AuditHeadKey, OrganizationEntry, SealedEvent, SignedHead } from './audit-chain.ts'
export type { AccessRefusal, AuditEventFilter, AuditEventRecord, AuditEvents } from './audit-events.ts'
export type { AuditOpeningKey, AuditSubjects, SubjectKey } from './audit-subjects.ts'
export type { CertificateRecord, Certificates, OrphanedIssuance, RecordedIdentity } from './certificates.ts'
export type { CommandRecord, Commands } from './commands.ts'
export type { CustomRoleRecord, CustomRoles } from './custom-roles.ts'
export { databaseRolesScript } from './database-roles.ts'
export { credentialSha256, type DeviceCredential, namedCredential } from './device-credential.ts'
export type { DeviceTokenFamilies, NewTokenFamily, OnboardingCodes, Redemption } from './device-tokens.ts'
export type { DeviceFilter, DevicePatch, DeviceRecord, Devices, GatewayDevice } from './devices.ts'
export type { EmailVerifications } from './email-verifications.ts'
export type {
  EnrollmentGroupPatch,
  EnrollmentGroupRecord,
  EnrollmentGroups,
  GroupAuthority,
  GroupWithAuthorities,
} from './enrollment-groups.ts'
export type { DoneOnce, IdempotencyKeys } from './idempotency-keys.ts'
export type {
  Authorities,
  AuthorityRecord,
  Gateways,
  Hub,
  OfflineDevice,
} from './installation.ts'
export type {
  InstallationKeyRecord,
  InstallationKeys,
  KeyPurpose,
  KeyRetirement,
  NewInstallationKey,
} from './installation-keys.ts'
export type { InvitationRecord, InvitationState, Invitations, NewInvitation } from './invitations.ts'
export { isJobKind, type JobKind, type JobPayload, jobKinds } from './job-kinds.ts'
export {
  type JobFigures,
  type JobFilter,
  type JobHandlers,
  type JobObserver,
  type JobOutcome,
  type JobRecord,
  type JobRunner,
  type JobState,
  type Jobs,
  jobStates,
  type NewJob,
  type RunningJob,
} from './jobs.ts'
export { isMailAddress, MailMessage, type MailTemplate } from './mail-message.ts'
export type { HeldMembership, MemberRecord, Members } from './members.ts'
export { type Migration, migrate } from './migrate.ts'
export {
  canBeMailed,
  type NotificationKind,
  type NotificationWays,
  notificationKinds,
} from './notification-kinds.ts'
export { type OpenStoreOptions, openStore } from './open-store.ts'
export type {
  OrganizationCreation,
  OrganizationRecord,
  Organizations,
  PersonOrganization,
  UserRecord,
  Users,
} from './organizations.ts'
export type { Outbox, OutboxEvent, OutboxRow } from './outbox.ts'
export type { Page, PageRequest } from './page.ts'
export type {
  NotificationPreference,
  NotificationRecord,
  NotifiedPerson,
  PersonNotifications,
} from './person-notifications.ts'
export type {
  Provisioning,
  ProvisioningAdmission,
  ProvisioningRecord,
  ProvisioningStepRecord,
} from './provisioning.ts'
export type { NewPsk, NewPskCode, PskRecord, Psks, RecordedPsk } from './psks.ts'
export type { ResourceLink, Resources, TwinResource } from './resources.ts'
export type { NewSocketTicket, SocketTickets } from './socket-tickets.ts'
export type { Channel, Store } from './store.ts'
export type {
  AssociationMark,
  AssociationMarks,
  SealingKeyGenerations,
  SealingKeyRecord,
  ShardClaim,
  Shards,
  ShardTurn,
} from './takeover.ts'
export type { Telemetry, TelemetryPoint, TelemetryRow, TelemetryValue } from './telemetry.ts'
