import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  DeviceAtGateway,
  eventually,
  type GatewayUnderTest,
  type InstallationAroundGateway,
  installationAroundGateway,
  system,
} from './installation-around-gateway.ts'

let installation: InstallationAroundGateway
let under: GatewayUnderTest

beforeAll(async () => {
  installation = await installationAroundGateway()
  under = await installation.startGateway()
})
afterAll(() => installation.close())

const isOnline = async (id: string) => (await installation.store.devices.read(installation.organizationId, id))?.online

async function signedIn() {
  const device = await installation.provision()
  const connected = await DeviceAtGateway.connect(under.gateway, device)
  const tokens = await connected.enter(device.code)
  return { device, connected, tokens }
}

describe('presence', () => {
  it('[4.17] declares a device offline when its association closes', async () => {
    const { device, connected } = await signedIn()
    expect(await isOnline(device.id)).toBe(true)
    await connected.close()
    await eventually(async () => expect(await isOnline(device.id)).toBe(false), 2000)
  })

  it('[4.16] closes a deleted device’s association in less than a second', async () => {
    const { device, connected } = await signedIn()
    const start = performance.now()
    await installation.store.devices.delete(installation.organizationId, device.id, system)
    await eventually(() => expect(connected.closed).toBe(true), 1000)
    expect(performance.now() - start).toBeLessThan(1000)
  })

  it('deletes a device that signs off, and ends its association after the answer', async () => {
    const { device, connected, tokens } = await signedIn()
    const answer = await connected.send('DELETE', '/oic/sec/account', undefined, {
      query: [`di=${device.id}`, `uid=${tokens.uid}`],
    })
    expect(answer.code).toBe('2.02')
    await eventually(() => expect(connected.closed).toBe(true), 1500)
    await expect(DeviceAtGateway.connect(under.gateway, device)).rejects.toMatchObject({ code: 'handshake-failed' })
  })

  it('keeps a device that only says GET /oic/rd online and answers it', async () => {
    const { device, connected } = await signedIn()
    expect(await connected.send('GET', '/oic/rd')).toMatchObject({ code: '2.05', body: { sel: 0 } })
    expect(await isOnline(device.id)).toBe(true)
    await connected.close()
  })

  it('[4.17] a stopping gateway says close_notify to its devices and leaves them offline', async () => {
    const other = await installation.startGateway({ SALLYPORT_GATEWAY_ID: `other-${randomUUID()}` })
    const device = await installation.provision()
    const connected = await DeviceAtGateway.connect(other.gateway, device)
    await connected.enter(device.code)
    expect(await isOnline(device.id)).toBe(true)
    await other.gateway.close()
    await eventually(() => expect(connected.closed).toBe(true), 1000)
    expect(await isOnline(device.id)).toBe(false)
  })
})
