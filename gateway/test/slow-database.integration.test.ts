import { utf8 } from '@sallyport/bytes'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  DeviceAtGateway,
  eventually,
  type GatewayUnderTest,
  type InstallationAroundGateway,
  installationAroundGateway,
} from './installation-around-gateway.ts'
import { type StallableProxy, startStallableProxy } from './stallable-proxy.ts'

let installation: InstallationAroundGateway
let proxy: StallableProxy
let under: GatewayUnderTest

beforeAll(async () => {
  installation = await installationAroundGateway({ expectedIntervalSeconds: 3 })
  proxy = await startStallableProxy(installation.databaseUrl)
  under = await installation.startGateway({ SALLYPORT_DATABASE_URL: proxy.url })
})
afterAll(async () => {
  proxy.resume()
  await installation.close()
  await proxy.close()
})

describe('while the database hangs', () => {
  it('answers 5.03 within seconds, acknowledges nothing, keeps its devices, and goes on when it is back', async () => {
    const device = await installation.provision()
    const connected = await DeviceAtGateway.connect(under.gateway, device)
    await connected.enter(device.code)
    const send = (value: number) =>
      connected.send('POST', '/api/v1/telemetry', undefined, {
        contentFormat: 50,
        payload: utf8(JSON.stringify({ value })),
      })
    expect((await send(1)).code).toBe('2.04')

    proxy.stall()
    const start = performance.now()
    expect((await send(2)).code).toBe('5.03')
    expect(performance.now() - start).toBeLessThan(4000)
    // What needs no database is answered as ever, and nothing blocks the loop.
    const quick = performance.now()
    expect((await connected.send('GET', '/oic/rd')).code).toBe('2.05')
    expect(performance.now() - quick).toBeLessThan(300)
    // Long enough for others to take the device for silent.
    for (let waited = 0; waited < 8; waited += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1000))
      await connected.send('GET', '/oic/rd')
    }
    proxy.resume()

    await eventually(async () => expect((await send(3)).code).toBe('2.04'), 10_000)
    expect(connected.closed).toBe(false)
    const readOnline = async () => {
      await connected.send('GET', '/oic/rd')
      const record = await installation.store.devices.read(installation.organizationId, device.id)
      return record?.online
    }
    await eventually(async () => expect(await readOnline()).toBe(true), 10_000)
    const [point] = await installation.store.telemetry.last(installation.organizationId, device.id)
    expect(point).toMatchObject({ name: 'value', value: 3 })
    await connected.close()
  }, 45_000)
})
