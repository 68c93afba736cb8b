/** What the routes for our own services work with. */

import type { Clock, Duration } from '@sallyport/clock'
import type { Store } from '@sallyport/store'
import type { JWK } from 'jose'
import type { ControlPlaneMetrics } from './control-plane-metrics.ts'
import type { DevicePsks } from './device-psks.ts'
import type { DeviceTokens } from './device-tokens.ts'
import type { GatewaySealingKeys } from './gateway-sealing-keys.ts'

export interface InternalPorts {
  readonly store: Pick<Store, 'onboardingCodes' | 'deviceTokens' | 'provisioning'>
  readonly clock: Clock
  readonly metrics: ControlPlaneMetrics
  readonly deviceTokens: DeviceTokens
  readonly onboardingCodeLifetime: Duration
  readonly publishedKeys: () => readonly JWK[]
  readonly devicePsks: Pick<DevicePsks, 'lookUp'>
  readonly sealingKeys: Pick<GatewaySealingKeys, 'live'>
}
