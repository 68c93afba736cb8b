import { randomUUID } from 'node:crypto'
import { earlier, seconds } from '@sallyport/clock'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { clock, inMinutes, type RegisteredDevice, StoreAroundDevices, system } from './store-around-devices.ts'

let around: StoreAroundDevices
let device: RegisteredDevice
beforeAll(async () => {
  around = await StoreAroundDevices.open()
  device = await around.registered()
})
afterAll(() => around.close())

describe('a command', () => {
  const create = (fields: Partial<Parameters<typeof around.store.commands.create>[1]> = {}) =>
    around.store.commands.create(
      around.organizationId,
      {
        deviceId: device.id,
        href: '/light/1',
        method: 'POST',
        payload: { state: true },
        expiresAt: inMinutes(1),
        ...fields,
      },
      system,
    )
  const read = (id: string) => around.store.commands.read(around.organizationId, id)

  it('is announced to the gateway that has the device, and waits where none has it', async () => {
    const heard: unknown[] = []
    const stop = await around.store.listen(
      'command_created',
      (payload) => heard.push(JSON.parse(payload)),
      () => {},
    )
    const waiting = await create()
    expect(waiting.gatewayId).toBeUndefined()
    const gatewayId = await around.gateway()
    expect(await around.store.commands.claim(waiting.id, gatewayId)).toBeUndefined()
    await around.online(device, gatewayId)
    expect((await around.store.commands.pendingFor(device.id)).map(({ id }) => id)).toEqual([waiting.id])
    const told = await create()
    expect(told.gatewayId).toBe(gatewayId)
    await vi.waitFor(() => expect(heard).toEqual([{ gatewayId, commandId: told.id, deviceId: device.id }]))
    expect((await around.store.commands.pendingForGateway(gatewayId, 10)).map(({ id }) => id)).toEqual([
      waiting.id,
      told.id,
    ])
    expect(await around.store.commands.pendingForGateway(gatewayId, 1)).toHaveLength(1)
    expect(await around.store.commands.pendingForGateway(await around.gateway(), 10)).toEqual([])
    await stop()
  })

  it('wakes who waits for its end, and keeps the answer, a null among them', async () => {
    const heard: unknown[] = []
    const stop = await around.store.listen(
      'command_finished',
      (payload) => heard.push(JSON.parse(payload)),
      () => {},
    )
    const gatewayId = await around.gateway()
    await around.online(device, gatewayId)
    const [withNull, without] = [await create(), await create()]
    for (const { id } of [withNull, without]) await around.store.commands.claim(id, gatewayId)
    await around.store.commands.complete(
      withNull.id,
      { state: 'succeeded', coapCode: '2.05', representation: null },
      system,
    )
    await around.store.commands.complete(without.id, { state: 'succeeded', coapCode: '2.04' }, system)
    expect(await read(withNull.id)).toMatchObject({ state: 'succeeded', representation: null })
    expect(Object.keys((await read(without.id)) ?? {})).not.toContain('representation')
    await vi.waitFor(() => expect(heard).toHaveLength(2))
    expect(heard).toEqual([
      { commandId: withNull.id, deviceId: device.id },
      { commandId: without.id, deviceId: device.id },
    ])
    await stop()
  })

  it('that finished stays as it is, and one that was not sent cannot succeed', async () => {
    const { id } = await create()
    await around.store.commands.complete(id, { state: 'succeeded' }, system)
    expect(await read(id)).toMatchObject({ state: 'pending' })
    await around.store.commands.complete(id, { state: 'refused', errorCode: 'validation-failed' }, system)
    await around.store.commands.complete(id, { state: 'expired' }, system)
    expect(await read(id)).toMatchObject({ state: 'refused', errorCode: 'validation-failed' })
  })

  it('expires when it was not sent in time, and cannot be claimed then', async () => {
    const gatewayId = await around.gateway()
    await around.online(device, gatewayId)
    const { id } = await create({ expiresAt: earlier(clock.now(), seconds(1)) })
    expect(await around.store.commands.claim(id, gatewayId)).toBeUndefined()
    await around.store.commands.expireDue(system)
    expect(await read(id)).toMatchObject({ state: 'expired', errorCode: 'device-offline' })
  })

  it('that was sent by a gateway that died is unknown for an update, expired for a read', async () => {
    const gatewayId = await around.gateway()
    await around.online(device, gatewayId)
    const [update, query] = [await create(), await create({ method: 'GET' })]
    for (const { id } of [update, query]) await around.store.commands.claim(id, gatewayId)
    expect(await around.store.commands.expireDue(system)).toBe(0)
    await around.tables.query(
      "update gateway_instance set lease_renewed_at = now() - interval '5 minutes' where id = $1",
      [gatewayId],
    )
    await around.tables.query("update command set sent_at = now() - interval '5 minutes' where id in ($1, $2)", [
      update.id,
      query.id,
    ])
    expect(await around.store.commands.expireDue(system)).toBe(2)
    expect(await read(update.id)).toMatchObject({ state: 'outcome-unknown', errorCode: 'device-not-responding' })
    expect(await read(query.id)).toMatchObject({ state: 'expired' })
  })

  it('is refused for a device that is not there', async () => {
    await expect(create({ deviceId: randomUUID() })).rejects.toMatchObject({ code: 'not-found' })
  })
})
