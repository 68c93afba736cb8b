/**
 * A device's session at the gateway: connect with the identity certificate → sign up where that was not done → sign in →
 * publish; and the device's own resources served on the same association.
 */

import { between } from '@sallyport/clock'
import { asOftenAsAskedToWait } from './asked-to-wait.ts'
import { CoapLink } from './coap-link.ts'
import { parseCoapsUri } from './coaps-uri.ts'
import type { DeviceContext } from './device-context.ts'
import { DeviceFailure, isDeviceFailure } from './device-failure.ts'
import { type CloudConfiguration, credentialsOf, type DeviceTokens, type Identity } from './device-state.ts'
import { refreshTokens, signIn, signOut, signUp } from './onboard.ts'
import { publish } from './publish.ts'
import { ResourceServer } from './resource-server.ts'
import { verifyServer } from './server-trust.ts'

export interface Session {
  readonly link: CoapLink
  readonly tokens: DeviceTokens
}

/** @throws DeviceFailure; the association is closed then. */
export async function openSession(device: DeviceContext, identity: Identity): Promise<Session> {
  const cloud = requiredCloudConfiguration(device)
  const link = await connectToGateway(device, identity, cloud)
  try {
    const whenAsked = <T>(work: () => Promise<T>) => asOftenAsAskedToWait(link, device.random, work)
    const registered = await whenAsked(() => ensureSignedUp(device, link, cloud))
    const asked = device.clock.now()
    const tokens = await whenAsked(() => signInWithRefresh(device, link, registered))
    device.report({
      kind: 'signed-in',
      gateway: cloud.gateway,
      association: link.association.id,
      cipherSuite: link.association.cipherSuite,
      resumed: link.association.resumed ?? false,
      took: between(asked, device.clock.now()),
    })
    const published = device.clock.now()
    await whenAsked(() => publish(link, device.deviceId, device.resources))
    device.report({
      kind: 'published',
      links: device.resources.map(({ description }) => description.href),
      took: between(published, device.clock.now()),
    })
    return { link, tokens }
  } catch (error) {
    link.close()
    throw error
  }
}

/** Connects and signs up where that was not done, and leaves: what `device provision` ends with. @throws DeviceFailure. */
export async function signUpOnly(device: DeviceContext, identity: Identity): Promise<void> {
  const cloud = requiredCloudConfiguration(device)
  const link = await connectToGateway(device, identity, cloud)
  try {
    await ensureSignedUp(device, link, cloud)
  } finally {
    link.close()
  }
}

/** New tokens, and the session continued with them. @throws DeviceFailure. */
export async function refreshSession(device: DeviceContext, session: Session): Promise<Session> {
  const tokens = await refreshTokens(session.link, session.tokens, device.clock)
  device.state.writeTokens(tokens)
  device.report({ kind: 'tokens-refreshed' })
  await signIn(session.link, tokens, device.clock)
  return { ...session, tokens }
}

/** Signs out where the gateway still answers, and closes the association. */
export async function closeSession(device: DeviceContext, session: Session): Promise<void> {
  try {
    await signOut(session.link, session.tokens)
    device.report({ kind: 'signed-out' })
  } catch (error) {
    if (!isDeviceFailure(error)) throw error
  } finally {
    session.link.close()
  }
}

async function connectToGateway(
  device: DeviceContext,
  identity: Identity,
  cloud: CloudConfiguration,
): Promise<CoapLink> {
  const resourceServer = new ResourceServer({
    deviceId: device.deviceId,
    resources: device.resources,
    onUpdate: (resource) =>
      device.report({
        kind: 'resource-updated',
        href: resource.description.href,
        representation: resource.representation(),
      }),
  })
  const link = await CoapLink.connect({
    address: parseCoapsUri(cloud.gateway),
    credentials: credentialsOf(identity),
    verifyPeer: verifyServer({ anchors: device.anchors, clock: device.clock, hubId: cloud.hubId }),
    onRequest: resourceServer.listener,
    session: device.gatewaySession.find(cloud.gateway, identity),
    onSession: (session) => device.gatewaySession.keep(cloud.gateway, identity, session),
    ...(device.handshakeTimeout === undefined ? {} : { handshakeTimeout: device.handshakeTimeout }),
  })
  void link.closed.then(() => resourceServer.endObservations())
  return link
}

async function ensureSignedUp(device: DeviceContext, link: CoapLink, cloud: CloudConfiguration): Promise<DeviceTokens> {
  const kept = device.state.readTokens()
  if (kept !== undefined) return kept
  const asked = device.clock.now()
  const tokens = await signUp(link, cloud, device.clock)
  device.state.writeTokens(tokens)
  const { onboardingCode: _redeemed, ...rest } = cloud
  device.state.writeCloudConfiguration(rest)
  device.report({ kind: 'signed-up', uid: tokens.uid, took: between(asked, device.clock.now()) })
  return tokens
}

/** Expired or superseded access tokens are answered with 4.01: then the refresh token gets new ones. */
async function signInWithRefresh(device: DeviceContext, link: CoapLink, tokens: DeviceTokens): Promise<DeviceTokens> {
  try {
    await signIn(link, tokens, device.clock)
    return tokens
  } catch (error) {
    if (!isDeviceFailure(error) || error.coapCode !== '4.01') throw error
  }
  const refreshed = await refreshTokens(link, tokens, device.clock)
  device.state.writeTokens(refreshed)
  device.report({ kind: 'tokens-refreshed' })
  await signIn(link, refreshed, device.clock)
  return refreshed
}

function requiredCloudConfiguration(device: DeviceContext): CloudConfiguration {
  const cloud = device.state.readCloudConfiguration()
  if (cloud === undefined) throw new DeviceFailure('state', 'state: the device has not been provisioned')
  return cloud
}
