import { instant, seconds } from '@sallyport/clock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inMinutes, StoreAroundDevices, system } from './store-around-devices.ts'

describe('the life of a device in the store', () => {
  let around: StoreAroundDevices
  beforeAll(async () => {
    around = await StoreAroundDevices.open()
  })
  afterAll(() => around.close())

  it('goes from its claim to being online, commanded, reported and forgotten', async () => {
    const { store, organizationId } = around
    const device = await around.certified()
    expect(await store.devices.readForGateway(device.id)).toEqual({
      deviceId: device.id,
      organizationId,
      registered: false,
      blocked: false,
      expectedInterval: seconds(60),
    })
    expect(await store.devices.read(organizationId, device.id)).toBeUndefined()

    const { familyId } = await around.redeem(await around.code(device), device)
    expect(familyId).toMatch(/^[0-9a-f-]{36}$/)
    await store.certificates.markSignedIn(device.certificateSha256, system)
    const gatewayId = await around.gateway()
    expect(await around.online(device, gatewayId, 'one')).toEqual({ sequence: 1 })
    expect(await store.devices.read(organizationId, device.id)).toMatchObject({ online: true, gatewayId, version: 1 })

    await store.resources.publish(
      device.id,
      [{ href: '/light/1', rt: ['core.light'], if: ['oic.if.a'], p: { bm: 3 } }],
      0,
      system,
    )
    expect(await store.resources.links(organizationId, device.id)).toEqual([
      { href: '/light/1', rt: ['core.light'], if: ['oic.if.a'], p: { bm: 3 } },
    ])
    const report = { representation: { state: false }, contentFormat: 60 }
    expect(await store.resources.report(device.id, '/light/1', report, system)).toEqual({ version: 1 })
    expect(await store.resources.report(device.id, '/light/1', report, system)).toEqual({ version: 1 })
    expect(
      await store.resources.report(device.id, '/light/1', { ...report, representation: { state: true } }, system),
    ).toEqual({ version: 2 })
    expect(await store.resources.twin(organizationId, device.id)).toMatchObject([
      { href: '/light/1', representation: { state: true }, version: 2, contentFormat: 60 },
    ])

    const command = await store.commands.create(
      organizationId,
      {
        deviceId: device.id,
        href: '/light/1',
        method: 'POST',
        payload: { state: false },
        expiresAt: inMinutes(1),
      },
      system,
    )
    expect(command.gatewayId).toBe(gatewayId)
    expect(await store.commands.pendingForGateway(gatewayId, 10)).toHaveLength(1)
    expect(await store.commands.claim(command.id, gatewayId)).toMatchObject({
      state: 'sent',
      payload: { state: false },
    })
    await store.commands.complete(
      command.id,
      { state: 'succeeded', coapCode: '2.04', representation: { state: false } },
      system,
    )
    expect(await store.commands.read(organizationId, command.id)).toMatchObject({
      state: 'succeeded',
      coapCode: '2.04',
      representation: { state: false },
    })

    await store.telemetry.append([
      {
        deviceId: device.id,
        organizationId,
        name: 'temperature',
        at: instant(1_700_000_000_000),
        value: 21.5,
        unit: 'Cel',
      },
      { deviceId: device.id, organizationId, name: 'note', at: instant(Date.now()), value: 'warm' },
    ])
    expect(await store.telemetry.last(organizationId, device.id)).toMatchObject([
      { name: 'note', value: 'warm' },
      { name: 'temperature', value: 21.5, unit: 'Cel', at: 1_700_000_000_000 },
    ])

    await store.devices.delete(organizationId, device.id, system)
    expect(await store.devices.read(organizationId, device.id)).toBeUndefined()
    expect(await store.devices.readForGateway(device.id)).toBeUndefined()
    expect(await store.certificates.findRecorded(device.certificateSha256)).toMatchObject({
      state: 'revoked',
      deviceState: 'deleted',
    })
    expect(await store.telemetry.last(organizationId, device.id)).toEqual([])
    expect(await store.resources.twin(organizationId, device.id)).toEqual([])
    expect(await store.commands.read(organizationId, command.id)).toBeUndefined()
    expect(await store.provisioning.list(organizationId, { limit: 10, deviceId: device.id })).toEqual({
      items: [],
      nextCursor: null,
    })
    await expect(store.devices.delete(organizationId, device.id, system)).rejects.toMatchObject({ code: 'not-found' })

    // The same key may come again, another one not.
    const again = await around.registered(device)
    expect(await store.devices.read(organizationId, again.id)).toMatchObject({ id: device.id, online: false })
    expect(await store.telemetry.last(organizationId, device.id)).toEqual([])
    await expect(around.claimed({ id: device.id })).rejects.toMatchObject({ code: 'device-id-claimed' })
  })
})
