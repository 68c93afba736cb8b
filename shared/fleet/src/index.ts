export {
  type CommandMethod,
  type CommandState,
  commandMethods,
  commandStates,
  type FinishedCommandState,
  isFinishedState,
  mayFollow,
  predecessorsOf,
  stateWithoutAnswer,
} from './command.ts'
export {
  type DeviceState,
  defaultExpectedInterval,
  deviceStates,
  gatewayLeaseDuration,
  isOnline,
  issuanceRepeatWindow,
  longestOnboardingCodeLifetime,
  type OfflineReason,
  offlineReasons,
  type Presence,
  redemptionRepeatWindow,
} from './device.ts'
export {
  type AuthorityRole,
  authorityRoles,
  type CertificateState,
  certificateStates,
  claimsAuthority,
  type EnrollmentGroupState,
  enrollmentGroupStates,
  isLiveCertificate,
  type ProvisioningStep,
  type PskState,
  provisioningSteps,
  pskStates,
} from './enrollment.ts'
export { type EventTopic, eventTopics } from './event-topic.ts'
export { randomBytesOfIdentifier, uuidV7 } from './identifier.ts'
export type { JsonValue } from './json-value.ts'
export {
  builtInRoles,
  isPermission,
  isRole,
  type Permission,
  permissions,
  permissionsBeyond,
  permissionsOf,
  permissionsWithin,
  type Role,
} from './permission.ts'
