/** Provisions a device that has no identity that is good for now, and keeps what it was given. */

import { between } from '@sallyport/clock'
import type { DeviceContext } from './device-context.ts'
import type { Identity } from './device-state.ts'
import { askForGateway, type ProvisioningOptions, provision, renewIdentity } from './provision.ts'

/** The identity that is kept, if it has not expired, or a new one. @throws DeviceFailure. */
export async function ensureProvisioned(device: DeviceContext): Promise<Identity> {
  const kept = device.state.readIdentity()
  const [leaf] = kept?.chain ?? []
  const usable = kept !== undefined && leaf !== undefined && leaf.notAfter > device.clock.now()
  const cloud = device.state.readCloudConfiguration()
  const canSignUp = device.state.readTokens() !== undefined || cloud?.onboardingCode !== undefined
  return usable && cloud !== undefined && canSignUp ? kept : await provisionAgain(device)
}

/** Provisions whatever is kept; tokens of an earlier registration are forgotten. @throws DeviceFailure. */
export async function provisionAgain(device: DeviceContext): Promise<Identity> {
  const started = device.clock.now()
  let stepStarted = started
  const provisioned = await provision({
    ...provisioningOptions(device),
    onStep: (step) => {
      const now = device.clock.now()
      device.report({ kind: 'step-done', step, took: between(stepStarted, now) })
      stepStarted = now
    },
  })
  device.state.writeTokens(undefined)
  device.state.stageIdentity(provisioned.identity)
  device.state.adoptIdentity()
  device.state.writeCloudConfiguration(provisioned.cloud)
  device.report({
    kind: 'provisioned',
    gateway: provisioned.cloud.gateway,
    owner: provisioned.owner,
    validUntil: validUntil(provisioned.identity),
    clockOffset: provisioned.clockOffset,
    took: between(started, device.clock.now()),
  })
  return provisioned.identity
}

/** A new identity, staged beside the present one. @throws DeviceFailure. */
export async function stageRenewedIdentity(device: DeviceContext, present: Identity): Promise<Identity> {
  const identity = await renewIdentity(provisioningOptions(device), present)
  device.state.stageIdentity(identity)
  return identity
}

/** Asks the dps where the gateway is now, and keeps the answer. @throws DeviceFailure. */
export async function findGatewayAgain(device: DeviceContext, present: Identity): Promise<void> {
  const known = device.state.readCloudConfiguration()
  const { onboardingCode, ...cloud } = await askForGateway(provisioningOptions(device), present)
  const signedUp = device.state.readTokens() !== undefined
  device.state.writeCloudConfiguration(signedUp || onboardingCode === undefined ? cloud : { ...cloud, onboardingCode })
  if (cloud.gateway !== known?.gateway) device.report({ kind: 'gateway-changed', gateway: cloud.gateway })
}

export function validUntil(identity: Identity): Identity['chain'][number]['notAfter'] {
  const [leaf] = identity.chain
  if (leaf === undefined) throw new Error('an identity has a certificate')
  return leaf.notAfter
}

function provisioningOptions(device: DeviceContext): ProvisioningOptions {
  const { dps, anchors, manufacturer, deviceId, clock, handshakeTimeout } = device
  return {
    dps,
    anchors,
    manufacturer,
    deviceId,
    clock,
    ...(handshakeTimeout === undefined ? {} : { handshakeTimeout }),
  }
}
