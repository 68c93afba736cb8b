/**
 * A device and when it is online.
 *
 * - `active`: provisioned; registered once it has signed up.
 * - `blocked`: refused everywhere, its manufacturer key too.
 * - `deleted`: forgotten but for its claim: its manufacturer key, and no other, may provision the id anew.
 */

import { between, type Duration, type Instant, minutes, seconds } from '@sallyport/clock'

export const deviceStates = ['active', 'blocked', 'deleted'] as const
export type DeviceState = (typeof deviceStates)[number]

/** A device is expected to be heard of this often where its group says nothing. */
export const defaultExpectedInterval: Duration = seconds(60)
/** A gateway that has not renewed its lease for this long is dead; it renews every third of it. */
export const gatewayLeaseDuration: Duration = seconds(15)
/** Onboarding codes are never good for longer. */
export const longestOnboardingCodeLifetime: Duration = minutes(10)
/** How long a redeemed code still yields the same token family to the certificate that redeemed it: a reply can get lost. */
export const redemptionRepeatWindow: Duration = minutes(5)
/** Device, key and profile alike within this time of issue, and not signed in yet: the same certificate. */
export const issuanceRepeatWindow: Duration = minutes(10)

export interface Presence {
  /** Ended by a sign-out, a closed association, the sweep, … */
  readonly ended: boolean
  readonly lastContactAt: Instant
  readonly gatewayLeaseRenewedAt: Instant
  readonly gatewayRetired: boolean
}

/** Signed in, heard of within the expected interval, and the gateway's lease alive; all by one clock. */
export function isOnline(presence: Presence, expectedInterval: Duration, now: Instant): boolean {
  return (
    !presence.ended &&
    !presence.gatewayRetired &&
    between(presence.lastContactAt, now) <= expectedInterval &&
    between(presence.gatewayLeaseRenewedAt, now) <= gatewayLeaseDuration
  )
}

/** Why a device went offline. */
export const offlineReasons = [
  'signed-out',
  'association-closed',
  'no-contact',
  'token-expired',
  'gateway-lost',
  'gateway-stopped',
  'deleted',
] as const
export type OfflineReason = (typeof offlineReasons)[number]
