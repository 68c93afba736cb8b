import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RegisteredDevice, StoreAroundDevices, system } from './store-around-devices.ts'

let around: StoreAroundDevices
let device: RegisteredDevice
beforeAll(async () => {
  around = await StoreAroundDevices.open()
  device = await around.registered()
})
afterAll(() => around.close())

describe('published resources', () => {
  it('are replaced by href, end with their time, and go with their twins', async () => {
    const { store, organizationId } = around
    const lamp = await around.registered()
    const link = (href: string, rt: string) => ({ href, rt: [rt], if: ['oic.if.a'] })
    await store.resources.publish(lamp.id, [link('/a', 'x'), link('/b', 'y')], 0, system)
    await store.resources.publish(lamp.id, [{ ...link('/a', 'z'), rel: 'hosts', p: { bm: 1 } }], 0, system)
    expect(await store.resources.links(undefined, lamp.id)).toEqual([
      { href: '/a', rt: ['z'], if: ['oic.if.a'], rel: 'hosts', p: { bm: 1 } },
      link('/b', 'y'),
    ])
    await store.resources.report(lamp.id, '/b', { representation: 1, contentFormat: 60, etag: '0a' }, system)
    await store.resources.publish(lamp.id, [link('/c', 'y')], 30, system)
    await around.tables.query(
      "update resource_link set expires_at = now() - interval '1 second' where href = '/c' and device_id = $1",
      [lamp.id],
    )
    expect((await store.resources.links(organizationId, lamp.id)).map(({ href }) => href)).toEqual(['/a', '/b'])
    await store.resources.unpublish(lamp.id, ['/b', '/unknown'], system)
    expect(await store.resources.twin(organizationId, lamp.id)).toEqual([])
    expect((await around.announced('resource.unpublished')).filter((row) => row.device_id === lamp.id)).toEqual([
      { device_id: lamp.id, data: { hrefs: ['/b'] } },
    ])
  })

  it('are refused from a device that is not registered', async () => {
    const claimed = await around.certified()
    await expect(
      around.store.resources.publish(claimed.id, [{ href: '/a', rt: [], if: [] }], 0, system),
    ).rejects.toMatchObject({ code: 'device-not-registered' })
    await expect(
      around.store.resources.report(randomUUID(), '/a', { representation: {}, contentFormat: 60 }, system),
    ).rejects.toMatchObject({ code: 'device-not-registered' })
  })

  it('report only what JSON and Postgres can hold', async () => {
    await expect(
      around.store.resources.report(device.id, '/a', { representation: { text: '\0' }, contentFormat: 60 }, system),
    ).rejects.toMatchObject({ code: 'validation-failed' })
    await expect(
      around.store.resources.report(device.id, 'no-slash', { representation: 1, contentFormat: 60 }, system),
    ).rejects.toMatchObject({ code: 'validation-failed' })
  })

  it('announce what is small with its content, and of what is large that it changed: it stands in the twin', async () => {
    const small = { on: true }
    const large = { text: 'x'.repeat(200_000) }
    const reporting = await around.registered()
    await around.store.resources.report(reporting.id, '/a', { representation: small, contentFormat: 60 }, system)
    await around.store.resources.report(reporting.id, '/a', { representation: large, contentFormat: 60 }, system)
    const told = (await around.announced('resource.changed')).filter((row) => row.device_id === reporting.id)
    expect(told.map(({ data }) => data)).toEqual([
      { href: '/a', version: 1, representation: small },
      { href: '/a', version: 2 },
    ])
    expect(await around.store.resources.twin(around.organizationId, reporting.id, '/a')).toMatchObject([
      { representation: large, version: 2 },
    ])
  })
})
