import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inMinutes, type RegisteredDevice, StoreAroundDevices, system } from './store-around-devices.ts'

describe('another organization', () => {
  let around: StoreAroundDevices
  let other: string
  let device: RegisteredDevice
  let commandId: string
  beforeAll(async () => {
    around = await StoreAroundDevices.open()
    ;({ organizationId: other } = await around.secondOrganization())
    device = await around.registered()
    const { store, organizationId } = around
    await store.resources.publish(device.id, [{ href: '/light/1', rt: ['core.light'], if: [] }], 0, system)
    await store.resources.report(device.id, '/light/1', { representation: {}, contentFormat: 60 }, system)
    await store.telemetry.append([{ deviceId: device.id, organizationId, name: 't', at: inMinutes(0), value: 1 }])
    ;({ id: commandId } = await store.commands.create(
      organizationId,
      { deviceId: device.id, href: '/light/1', method: 'POST', payload: {}, expiresAt: inMinutes(1) },
      system,
    ))
  })
  afterAll(() => around.close())

  it('sees nothing of a device, its records, its twin, its commands, its telemetry and its audit trail', async () => {
    const { store } = around
    expect(await store.devices.read(other, device.id)).toBeUndefined()
    expect((await store.devices.list(other, { limit: 10 })).items).toEqual([])
    expect(await store.provisioning.read(other, device.recordId)).toBeUndefined()
    expect((await store.provisioning.list(other, { limit: 10 })).items).toEqual([])
    expect(await store.enrollmentGroups.read(other, device.groupId)).toBeUndefined()
    expect(await store.resources.links(other, device.id)).toEqual([])
    expect(await store.resources.twin(other, device.id)).toEqual([])
    expect(await store.commands.read(other, commandId)).toBeUndefined()
    expect((await store.commands.list(other, device.id, { limit: 10 })).items).toEqual([])
    expect(await store.telemetry.last(other, device.id)).toEqual([])
    expect((await store.telemetry.range(other, device.id, { name: 't', limit: 10 })).items).toEqual([])
    const { items } = await store.auditEvents.list(other, { limit: 100 })
    expect(new Set(items.map((event) => event.type))).toEqual(new Set(['group.created']))
  })

  it('changes, deletes and commands nothing of it', async () => {
    const { store } = around
    await expect(store.devices.change(other, device.id, { name: 'Mine' }, undefined, system)).rejects.toMatchObject({
      code: 'not-found',
    })
    await expect(store.devices.delete(other, device.id, system)).rejects.toMatchObject({ code: 'not-found' })
    await expect(
      store.enrollmentGroups.change(other, device.groupId, { state: 'disabled' }, undefined, system),
    ).rejects.toMatchObject({ code: 'not-found' })
    await expect(store.enrollmentGroups.delete(other, device.groupId, undefined, system)).rejects.toMatchObject({
      code: 'not-found',
    })
    await expect(
      store.commands.create(
        other,
        { deviceId: device.id, href: '/light/1', method: 'POST', payload: {}, expiresAt: inMinutes(1) },
        system,
      ),
    ).rejects.toMatchObject({ code: 'not-found' })
    expect(await store.devices.read(around.organizationId, device.id)).toMatchObject({ version: 1 })
  })

  it('is kept out by the schema as well: no row joins a device to a tenant that is not its owner', async () => {
    for (const statement of [
      `insert into twin_resource (device_id, href, organization_id, representation, content_format) values ($1, '/x', $2, '{}', 60)`,
      `insert into resource_link (device_id, href, organization_id, resource_types, interfaces) values ($1, '/x', $2, '{}', '{}')`,
      `insert into command (id, device_id, organization_id, href, method, payload, state, correlation_id, expires_at)
       values (gen_random_uuid(), $1, $2, '/x', 'GET', '{}', 'pending', 'c', now())`,
    ]) {
      await expect(around.tables.query(statement, [device.id, other])).rejects.toMatchObject({ code: '23503' })
    }
  })
})
