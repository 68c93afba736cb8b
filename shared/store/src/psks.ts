/**
 * Pre-shared keys of devices: one device's each, in groups that allow them. Here only sealed; opened by the control plane.
 *
 * A key lives as an identity certificate does: issued, active with the first sign-in, which supersedes the device's older
 * ones, or revoked. Whoever may not use it any more, its sealed bytes are gone.
 */

import type { Instant } from '@sallyport/clock'
import type { DeviceState, PskState } from '@sallyport/fleet'
import type { ActContext } from './act.ts'
import type { Page, PageRequest } from './page.ts'

export interface PskRecord {
  /** Its text is the PSK identity. */
  readonly id: string
  readonly organizationId: string
  readonly deviceId: string
  readonly deviceName: string
  readonly groupId: string
  readonly state: PskState
  readonly createdAt: Instant
  readonly firstSignedInAt?: Instant
  readonly endedAt?: Instant
}

export interface NewPsk {
  readonly id: string
  /** Lower-case hexadecimal, of the identity's text. */
  readonly identitySha256: string
  readonly sealedKey: Uint8Array
}

export interface NewPskCode {
  readonly codeHash: Uint8Array
  /** At most 10 min ahead. */
  readonly expiresAt: Instant
}

export interface RecordedPsk {
  readonly id: string
  readonly deviceId: string
  readonly organizationId: string
  readonly state: PskState
  readonly deviceState: DeviceState
  readonly groupAllowsPsk: boolean
}

export interface Psks {
  /**
   * A new device with its first key and a code to sign up with.
   * @throws CodedError `not-found`: no such group; `enrollment-disabled`, `psk-not-allowed`: the group is not active, or not for that.
   */
  register(
    organizationId: string,
    device: {
      readonly groupId: string
      readonly name?: string | undefined
      readonly psk: NewPsk
      readonly code: NewPskCode
    },
    act: ActContext,
  ): Promise<PskRecord>
  /** A further key for a device; the others end when it signs in with this one. @throws as `register` does. */
  replace(organizationId: string, deviceId: string, psk: NewPsk, act: ActContext): Promise<PskRecord>
  /** A code for a device with a live key, to sign up with; codes of before are good no longer. @throws as `register` does. */
  createCode(organizationId: string, deviceId: string, code: NewPskCode, act: ActContext): Promise<void>
  /** Newest first. */
  list(
    organizationId: string,
    request: PageRequest & { readonly deviceId?: string | undefined; readonly groupId?: string | undefined },
  ): Promise<Page<PskRecord>>
  /**
   * The key ends, and with it the associations opened with it (`device_closed`); with its last key its tokens and codes too.
   * Idempotent. @throws CodedError `not-found`.
   */
  revoke(organizationId: string, id: string, act: ActContext): Promise<void>
  /** Without a scope. Its sealed key is there as long as it is live. */
  findSealed(identitySha256: string): Promise<(RecordedPsk & { readonly sealedKey?: Uint8Array }) | undefined>
  /** Without a scope. */
  findRecorded(identitySha256: string): Promise<RecordedPsk | undefined>
  /** Which of these are good no longer: ended, unknown, of a device that is not active, or in a group that allows none. */
  withdrawnAmong(identitySha256: readonly string[]): Promise<readonly string[]>
  /** At each sign-in. The first one makes it active and supersedes the device's older ones; later ones do nothing. */
  markSignedIn(identitySha256: string, act: ActContext): Promise<void>
}
