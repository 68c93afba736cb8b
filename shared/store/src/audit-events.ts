/** The audit trail: written with the acts themselves, and here for what changes nothing but must be known. */

import type { AuditActor, AuditEvent, AuditOutcome, AuditSeverity } from '@sallyport/audit'
import type { Instant } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import type { ActContext } from './act.ts'
import type { Page, PageRequest } from './page.ts'

export type AuditEventRecord = AuditEvent & { readonly severity: AuditSeverity }

export interface AuditEventFilter {
  readonly type?: string | undefined
  readonly actorId?: string | undefined
  readonly subjectId?: string | undefined
  readonly from?: Instant | undefined
  readonly to?: Instant | undefined
  readonly correlationId?: string | undefined
  readonly outcome?: AuditOutcome | undefined
}

/** Somebody who was not let in, or not to that. */
export interface AccessRefusal {
  readonly code: ErrorCode
  /** Method and pattern of the path. */
  readonly route: string
  readonly actor: AuditActor
  readonly organizationId?: string | undefined
  readonly address?: string | undefined
  readonly correlationId: string
  /** The one that is missing. */
  readonly permission?: string | undefined
  readonly policy?: string | undefined
  /** This one stands for so many. */
  readonly leftOut?: number | undefined
}

export interface AuditEvents {
  /** Newest first. */
  list(organizationId: string, request: PageRequest & AuditEventFilter): Promise<Page<AuditEventRecord>>
  /** A device that was let in or refused, once its certificate was known. */
  recordAuthentication(
    authentication: {
      /** The device's own where it is not given. */
      readonly organizationId?: string | undefined
      readonly deviceId: string
      readonly outcome: AuditOutcome
      readonly stage: 'handshake' | 'sign-in'
      readonly reason?: ErrorCode | undefined
      readonly cipherSuite?: string | undefined
      readonly connectionId?: string | undefined
      readonly certificateSerial?: string | undefined
      readonly certificateSha256?: string | undefined
      readonly pskIdentitySha256?: string | undefined
      readonly associationId?: string | undefined
    },
    act: ActContext,
  ): Promise<void>
  /** A peer of the dps whose chain was good and that was refused all the same. */
  recordAdmissionRefusal(
    refusal: {
      readonly organizationId?: string | undefined
      readonly code: ErrorCode
      readonly detail: string
      readonly certificateSha256?: string | undefined
      readonly commonName?: string | undefined
      readonly recordId?: string | undefined
    },
    act: ActContext,
  ): Promise<void>
  /** Somebody took the trail away: written down before it is given. */
  recordExport(
    exported: {
      readonly organizationId: string
      readonly from?: string | undefined
      readonly to?: string | undefined
      readonly after: number
      readonly last: number
    },
    act: ActContext,
  ): Promise<void>
  /** All or none. */
  recordRefusals(refusals: readonly AccessRefusal[]): Promise<void>
  /** Failures before anything was proven: added to the counts of their prefix, reason and minute. */
  countAdmissionFailures(
    rows: readonly {
      readonly prefix: string
      readonly reason: string
      /** Start of the minute. */
      readonly minute: Instant
      readonly count: number
    }[],
  ): Promise<void>
}
