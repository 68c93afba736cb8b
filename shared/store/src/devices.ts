/** Registered devices as their owners see them, and their presence as gateways declare it. */

import type { Duration, Instant } from '@sallyport/clock'
import type { ActContext } from './act.ts'
import type { DeviceCredential } from './device-credential.ts'
import type { Page, PageRequest } from './page.ts'

export interface DeviceRecord {
  readonly id: string
  readonly organizationId: string
  readonly groupId: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly state: 'active' | 'blocked'
  /** Signed in, heard of within the expected interval, and its gateway alive. */
  readonly online: boolean
  readonly lastSeenAt?: Instant
  readonly signedInAt?: Instant
  readonly gatewayId?: string
  readonly registeredAt: Instant
  /** Counts what people change: name and labels. */
  readonly version: number
}

export interface GatewayDevice {
  readonly deviceId: string
  readonly organizationId: string
  readonly registered: boolean
  readonly blocked: boolean
  readonly expectedInterval: Duration
}

export interface DevicePatch {
  readonly name?: string | undefined
  /** Replaces all labels. */
  readonly labels?: Readonly<Record<string, string>> | undefined
}

export interface DeviceFilter {
  readonly online?: boolean | undefined
  /** Part of the name, in any case. */
  readonly name?: string | undefined
  /** All of them. */
  readonly label?: readonly { readonly key: string; readonly value: string }[] | undefined
  readonly groupId?: string | undefined
  /** Part of the name or of the id. */
  readonly q?: string | undefined
}

export interface Devices {
  /** Last registered first. */
  list(organizationId: string, request: PageRequest & DeviceFilter): Promise<Page<DeviceRecord>>
  read(organizationId: string, id: string): Promise<DeviceRecord | undefined>
  /** Without a scope. Undefined when the device was never claimed or was deleted. */
  readForGateway(deviceId: string): Promise<GatewayDevice | undefined>
  /** @throws CodedError `not-found`, `precondition-failed`. */
  change(
    organizationId: string,
    id: string,
    patch: DevicePatch,
    expectedVersion: number | undefined,
    act: ActContext,
  ): Promise<DeviceRecord>
  /**
   * Revokes its certificates and tokens, forgets what it reported, archives its provisioning record, and tells the gateways
   * (`device_closed`). Its manufacturer key may provision anew. @throws CodedError `not-found`.
   */
  delete(organizationId: string, id: string, act: ActContext): Promise<void>
  /**
   * The association becomes the device's current one. Idempotent for the same gateway and association.
   * @returns the number of the session: each new one has a higher.
   * @throws CodedError `device-not-registered`, `device-blocked`.
   */
  declareOnline(
    session: {
      readonly deviceId: string
      readonly gatewayId: string
      readonly associationId: string
      readonly remote: { readonly address: string; readonly port: number }
    } & DeviceCredential,
    act: ActContext,
  ): Promise<{ readonly sequence: number }>
  /** Does nothing unless that association is still the current one. */
  declareOffline(
    session: {
      readonly deviceId: string
      readonly gatewayId: string
      readonly associationId: string
      readonly reason: 'signed-out' | 'association-closed' | 'no-contact' | 'token-expired'
    },
    act: ActContext,
  ): Promise<void>
  /** When devices were last heard of, by the clock that the store was opened with. Only of devices that are signed in. */
  contact(entries: readonly { readonly deviceId: string; readonly at: Instant }[]): Promise<void>
}
