import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StoreAroundDevices } from './store-around-devices.ts'

let around: StoreAroundDevices
beforeAll(async () => {
  around = await StoreAroundDevices.open()
})
afterAll(() => around.close())

describe('the installation', () => {
  it('has one hub id', async () => {
    const hubId = randomUUID()
    expect(await around.store.hub.read()).toBeUndefined()
    await Promise.all([around.store.hub.ensure(hubId), around.store.hub.ensure(hubId.toUpperCase())])
    expect(await around.store.hub.read()).toEqual({ hubId })
    await expect(around.store.hub.ensure(randomUUID())).rejects.toMatchObject({ code: 'configuration-invalid' })
  })

  it('records an authority once', async () => {
    const certificateDer = Uint8Array.from([1, 2, 3])
    await around.store.authorities.record({ role: 'identity', certificateDer, keyId: '0a' })
    await around.store.authorities.record({ role: 'identity', certificateDer, keyId: '0a' })
    expect(await around.store.authorities.byRole('identity')).toMatchObject([
      { role: 'identity', keyId: '0a', certificateDer: Buffer.from(certificateDer) },
    ])
    expect(await around.store.authorities.byRole('server')).toEqual([])
  })

  it('has one clock: the database’s', async () => {
    expect(Math.abs((await around.store.now()) - Date.now())).toBeLessThan(2000)
  })
})
