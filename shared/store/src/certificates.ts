/** Identity certificates: announced before they are signed, recorded before they are handed out, good only when recorded. */

import type { Duration, Instant } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import type { DeviceState } from '@sallyport/fleet'
import type { ActContext } from './act.ts'

export interface CertificateRecord {
  readonly der: Uint8Array
  /** Lower-case hexadecimal SHA-256 of the DER. */
  readonly sha256: string
  readonly serialNumber: string
  readonly notAfter: Instant
}

export interface RecordedIdentity {
  readonly deviceId: string
  readonly organizationId: string
  readonly recordId: string
  readonly serialNumber: string
  readonly state: 'issued' | 'active' | 'superseded' | 'revoked'
  readonly deviceState: DeviceState
}

export interface OrphanedIssuance {
  readonly issuanceId: string
  readonly serialNumber: string
  readonly deviceId: string
  readonly startedAt: Instant
}

export interface Certificates {
  /**
   * Announces a certificate. An announcement of the same device, key and profile that is still open is withdrawn: it can no
   * longer be completed, so that of many at once one certificate is recorded.
   * @throws CodedError `conflict` when such a certificate was issued within the repeat window (`findRepeat` has it), or the
   * serial number is taken; `device-blocked`, `device-not-registered`: the device is blocked, or not claimed by the record.
   */
  beginIssuance(
    intent: {
      readonly serialNumber: string
      readonly issuerSha256: string
      readonly deviceId: string
      readonly recordId: string
      readonly profile: string
      readonly spkiSha256: string
      readonly notBefore: Instant
      readonly notAfter: Instant
    },
    act: ActContext,
  ): Promise<{ readonly issuanceId: string }>
  /** @throws CodedError `conflict` when it was withdrawn or failed meanwhile: the certificate must not be handed out. */
  completeIssuance(
    issuance: { readonly issuanceId: string; readonly der: Uint8Array; readonly sha256: string },
    act: ActContext,
  ): Promise<void>
  /** The serial number will never be accepted. Does nothing when the issuance is not open. */
  failIssuance(issuanceId: string, code: ErrorCode, act: ActContext): Promise<void>
  /** Issued within that time, live, and not signed in with yet. */
  findRepeat(of: {
    readonly deviceId: string
    readonly spkiSha256: string
    readonly profile: string
    readonly within: Duration
  }): Promise<CertificateRecord | undefined>
  findRecorded(sha256: string): Promise<RecordedIdentity | undefined>
  /** Which of these are good no longer: revoked, superseded, unknown, or of a device that is blocked or deleted. */
  withdrawnAmong(sha256: readonly string[]): Promise<readonly string[]>
  /** At each sign-in. The first one makes it active and supersedes the device's older ones; later ones do nothing. */
  markSignedIn(sha256: string, act: ActContext): Promise<void>
  findOrphans(olderThan: Instant): Promise<readonly OrphanedIssuance[]>
}
