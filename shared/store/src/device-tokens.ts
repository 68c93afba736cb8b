/** Onboarding codes and the token families of devices. Codes and tokens are kept as SHA-256 digests only. */

import type { Instant } from '@sallyport/clock'
import type { ActContext } from './act.ts'
import type { DeviceCredential } from './device-credential.ts'

export interface NewTokenFamily {
  readonly refreshTokenHash: Uint8Array
}

export interface Redemption {
  readonly deviceId: string
  readonly organizationId: string
  readonly familyId: string
}

export interface OnboardingCodes {
  /**
   * The organization is the provisioning record's. Good for at most 10 min.
   * @throws CodedError `not-found`: no such record; `device-id-mismatch`: the record is for another device.
   */
  create(
    code: {
      readonly codeHash: Uint8Array
      readonly deviceId: string
      readonly recordId: string
      readonly expiresAt: Instant
    },
    act: ActContext,
  ): Promise<void>
  /**
   * Registers the device and begins its token family. Good once; for 5 min the credential that redeemed it may repeat, and
   * gets a further refresh token of the same family.
   * @throws CodedError `onboarding-code-invalid` for every other use, `device-blocked`, `ownership-mismatch`.
   */
  redeem(
    redemption: {
      readonly codeHash: Uint8Array
      readonly deviceId: string
      readonly newFamily: NewTokenFamily
      /** An identity certificate issued in the code's provisioning record, or a live pre-shared key of a device without one. */
    } & DeviceCredential,
    act: ActContext,
  ): Promise<Redemption>
}

export interface DeviceTokenFamilies {
  /**
   * Takes the newest refresh token of a family for the next one. The one before it is good too, for the credential that has
   * used it: a lost reply must not strand a device.
   * @throws CodedError `device-token-invalid`, `device-not-registered`, `device-blocked`.
   */
  refresh(
    refresh: {
      readonly refreshTokenHash: Uint8Array
      readonly deviceId: string
      readonly next: NewTokenFamily
      /** Any live one of the device; the new token is bound to it. */
    } & DeviceCredential,
    act: ActContext,
  ): Promise<Redemption>
  revokeForDevice(deviceId: string, act: ActContext): Promise<void>
}
