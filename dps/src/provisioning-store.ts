/** The port to the database: what provisioning reads and writes, each writing call one transaction with its audit event. */

import type { Duration, Instant } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import type { DeviceState, EnrollmentGroupState, ProvisioningStep } from '@sallyport/fleet'

export interface Act {
  readonly actor: { readonly kind: 'device' | 'service' | 'system'; readonly id: string; readonly name?: string }
  readonly correlationId: string
  readonly address?: string
}

export interface GroupAuthority {
  readonly sha256: string
  readonly der: Uint8Array
  /** The authority whose devices the group enrolls; the others only complete chains. */
  readonly isLead: boolean
}

export interface EnrollmentGroup {
  readonly id: string
  readonly organizationId: string
  readonly state: EnrollmentGroupState
  readonly authorities: readonly GroupAuthority[]
}

export interface RecordedIdentity {
  readonly deviceId: string
  readonly organizationId: string
  readonly recordId: string
  readonly state: 'issued' | 'active' | 'superseded' | 'revoked'
  readonly deviceState: DeviceState
}

export interface RecordAdmission {
  readonly groupId: string
  /** Absent while no device id was claimed. */
  readonly deviceState?: DeviceState | undefined
  readonly manufacturerSpkiSha256: string
}

export interface StepOutcome {
  readonly coapCode: string
  readonly errorCode?: ErrorCode
  readonly detail?: string
}

export interface AdmissionStore {
  /** Groups of every state whose lead authority has one of these subject names (SHA-256 of the DER). */
  groupsByAuthoritySubjects(subjectSha256: readonly string[]): Promise<readonly EnrollmentGroup[]>
  group(groupId: string): Promise<EnrollmentGroup | undefined>
  recordedIdentity(certificateSha256: string): Promise<RecordedIdentity | undefined>
  recordAdmission(recordId: string): Promise<RecordAdmission | undefined>
}

export interface RecordStore {
  begin(
    record: {
      readonly recordId: string
      readonly groupId: string
      readonly organizationId: string
      readonly manufacturer: {
        readonly spkiSha256: string
        readonly certificatePem: string
        readonly commonName: string | undefined
      }
      readonly remote: string
    },
    act: Act,
  ): Promise<void>
  recordStep(recordId: string, step: ProvisioningStep, outcome: StepOutcome, act: Act): Promise<void>
  /** @throws CodedError `device-id-claimed`, `device-blocked`. */
  claimDevice(
    claim: { readonly recordId: string; readonly deviceId: string; readonly manufacturerSpkiSha256: string },
    act: Act,
  ): Promise<void>
}

export interface IssuanceStore {
  /** Issued within that time and not signed in with yet. */
  findRepeat(of: {
    readonly deviceId: string
    readonly spkiSha256: string
    readonly within: Duration
  }): Promise<Uint8Array | undefined>
  /** @throws CodedError `conflict` when another instance has just issued the same. */
  begin(
    intent: {
      readonly serialNumber: string
      readonly issuerSha256: string
      readonly deviceId: string
      readonly recordId: string
      readonly spkiSha256: string
      readonly notBefore: Instant
      readonly notAfter: Instant
    },
    act: Act,
  ): Promise<string>
  /** @throws CodedError `conflict` when another instance has begun the same since. */
  complete(
    issuance: { readonly issuanceId: string; readonly der: Uint8Array; readonly sha256: string },
    act: Act,
  ): Promise<void>
  fail(issuanceId: string, code: ErrorCode, act: Act): Promise<void>
  /** Intents begun before then that are neither complete nor failed. */
  orphans(olderThan: Instant): Promise<readonly { readonly issuanceId: string; readonly deviceId: string }[]>
}
