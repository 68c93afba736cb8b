import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { gatewayForFile } from './gateway-for-file.ts'
import { DeviceAtGateway, eventually, system } from './installation-around-gateway.ts'

const here = gatewayForFile()

const isOnline = async (id: string) =>
  (await here.installation.store.devices.read(here.installation.organizationId, id))?.online

describe('presence', () => {
  it('[4.17] declares a device offline when its association closes', async () => {
    const { device, connected } = await here.signedIn()
    expect(await isOnline(device.id)).toBe(true)
    await connected.close()
    await eventually(async () => expect(await isOnline(device.id)).toBe(false), 2000)
  })

  it('[4.16] closes a deleted device’s association in less than a second', async () => {
    const { device, connected } = await here.signedIn()
    const start = performance.now()
    await here.installation.store.devices.delete(here.installation.organizationId, device.id, system)
    await eventually(() => expect(connected.closed).toBe(true), 1000)
    expect(performance.now() - start).toBeLessThan(1000)
  })

  it('declares a device offline at once whose withdrawal is found by looking, since its notification was lost', async () => {
    const { device, connected } = await here.signedIn()
    const other = await here.signedIn()
    await here.installation.onDatabase(`update device set state = 'blocked' where id = $1`, [device.id])
    expect(await isOnline(device.id)).toBe(true)
    // Whoever listens anew may have missed something, and looks.
    await here.installation.onDatabase(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen%'`,
    )
    await eventually(() => expect(connected.closed).toBe(true), 5000)
    await eventually(async () => expect(await isOnline(device.id)).toBe(false), 500)
    expect(other.connected.closed).toBe(false)
    expect(await isOnline(other.device.id)).toBe(true)
    await other.connected.close()
  })

  it('deletes a device that signs off, and ends its association after the answer', async () => {
    const { device, connected, tokens } = await here.signedIn()
    const answer = await connected.send('DELETE', '/oic/sec/account', undefined, {
      query: [`di=${device.id}`, `uid=${tokens.uid}`],
    })
    expect(answer.code).toBe('2.02')
    await eventually(() => expect(connected.closed).toBe(true), 1500)
    await expect(DeviceAtGateway.connect(here.under.gateway, device)).rejects.toMatchObject({
      code: 'handshake-failed',
    })
  })

  it('keeps a device that only says GET /oic/rd online and answers it', async () => {
    const { device, connected } = await here.signedIn()
    expect(await connected.send('GET', '/oic/rd')).toMatchObject({ code: '2.05', body: { sel: 0 } })
    expect(await isOnline(device.id)).toBe(true)
    await connected.close()
  })

  it('[4.17] a stopping gateway says close_notify to its devices and leaves them offline', async () => {
    const other = await here.installation.startGateway({ SALLYPORT_GATEWAY_ID: `other-${randomUUID()}` })
    const device = await here.installation.provision()
    const connected = await DeviceAtGateway.connect(other.gateway, device)
    await connected.enter(device.code)
    expect(await isOnline(device.id)).toBe(true)
    await other.gateway.close()
    await eventually(() => expect(connected.closed).toBe(true), 1000)
    expect(await isOnline(device.id)).toBe(false)
  })
})
