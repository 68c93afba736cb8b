/** Enrollment groups: the devices whose chain leads to one authority that a customer has loaded. */

import type { Instant } from '@sallyport/clock'
import type { EnrollmentGroupState } from '@sallyport/fleet'
import type { ActContext } from './act.ts'
import type { Page, PageRequest } from './page.ts'

/** A certificate of a group's chain. Digests are lower-case hexadecimal SHA-256. */
export interface GroupAuthority {
  readonly sha256: string
  /** Of the DER subject name. */
  readonly subjectSha256: string
  /** Of the DER SubjectPublicKeyInfo. */
  readonly spkiSha256: string
  readonly der: Uint8Array
  readonly commonName: string
  /** The authority whose devices the group enrolls; the others only complete chains. */
  readonly isLead: boolean
}

export interface EnrollmentGroupRecord {
  readonly id: string
  readonly organizationId: string
  readonly name: string
  readonly state: EnrollmentGroupState
  readonly chainPem: string
  readonly leadCertificateName: string
  readonly expectedIntervalSeconds: number
  /** Whether devices with a pre-shared key may be registered in it, and come in. */
  readonly allowsPsk: boolean
  readonly version: number
  readonly createdAt: Instant
  readonly updatedAt: Instant
}

export interface GroupWithAuthorities {
  readonly id: string
  readonly organizationId: string
  readonly name: string
  readonly state: EnrollmentGroupState
  readonly expectedIntervalSeconds: number
  readonly authorities: readonly GroupAuthority[]
}

export interface EnrollmentGroupPatch {
  readonly name?: string | undefined
  readonly state?: 'active' | 'disabled' | undefined
  readonly expectedIntervalSeconds?: number | undefined
  readonly allowsPsk?: boolean | undefined
  /** A new chain; all three together. */
  readonly chainPem?: string | undefined
  readonly leadCertificateName?: string | undefined
  readonly authorities?: readonly GroupAuthority[] | undefined
}

export interface EnrollmentGroups {
  /** @throws CodedError `conflict` when a group of any organization has the lead authority already. */
  create(
    organizationId: string,
    group: {
      readonly name: string
      readonly chainPem: string
      readonly leadCertificateName?: string | undefined
      readonly expectedIntervalSeconds?: number | undefined
      /** Default false. */
      readonly allowsPsk?: boolean | undefined
      /** At least one, exactly one of them the lead. */
      readonly authorities: readonly GroupAuthority[]
    },
    act: ActContext,
  ): Promise<EnrollmentGroupRecord>
  /** Newest first. */
  list(
    organizationId: string,
    request: PageRequest & {
      readonly name?: string | undefined
      readonly state?: EnrollmentGroupState | undefined
    },
  ): Promise<Page<EnrollmentGroupRecord>>
  read(organizationId: string, id: string): Promise<EnrollmentGroupRecord | undefined>
  /** @throws CodedError `not-found`, `precondition-failed` (another version), `conflict` (authority taken). */
  change(
    organizationId: string,
    id: string,
    patch: EnrollmentGroupPatch,
    expectedVersion: number | undefined,
    act: ActContext,
  ): Promise<EnrollmentGroupRecord>
  /** Its devices keep working; none provisions or renews by it any more. @throws CodedError `not-found`, `precondition-failed`. */
  delete(organizationId: string, id: string, expectedVersion: number | undefined, act: ActContext): Promise<void>
  /** Groups of every state and organization whose lead authority has one of these subjects. */
  findByAuthoritySubjects(subjectSha256: readonly string[]): Promise<readonly GroupWithAuthorities[]>
  /** Without a scope, for the dps. Undefined when it was deleted. */
  readForDevice(groupId: string): Promise<GroupWithAuthorities | undefined>
}
