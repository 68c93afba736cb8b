/** What every part of a device works with. */

import type { Clock, Duration } from '@sallyport/clock'
import type { Certificate } from '@sallyport/pki'
import type { ReportEvent } from './device-event.ts'
import type { DeviceState, Identity } from './device-state.ts'
import type { GatewaySession } from './gateway-session.ts'
import type { DeviceResource } from './resource/device-resource.ts'

export interface DeviceContext {
  readonly deviceId: string
  /** `coaps://host:port` */
  readonly dps: string
  readonly anchors: readonly Certificate[]
  readonly manufacturer: Identity
  readonly state: DeviceState
  readonly gatewaySession: GatewaySession
  readonly resources: readonly DeviceResource[]
  readonly clock: Clock
  /** From 0 to 1. */
  readonly random: () => number
  readonly report: ReportEvent
  readonly handshakeTimeout?: Duration
}
