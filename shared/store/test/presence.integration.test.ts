import { randomUUID } from 'node:crypto'
import { earlier, seconds } from '@sallyport/clock'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { clock, type RegisteredDevice, StoreAroundDevices, system } from './store-around-devices.ts'

describe('a device', () => {
  let around: StoreAroundDevices
  beforeAll(async () => {
    around = await StoreAroundDevices.open()
  })
  afterAll(() => around.close())

  const isOnline = async (device: RegisteredDevice) =>
    (await around.store.devices.read(around.organizationId, device.id))?.online
  const events = async (device: RegisteredDevice) => {
    const { rows } = await around.tables.query(
      "select topic, data->>'reason' as reason from outbox where device_id = $1 and topic ~ 'line$' order by sequence",
      [device.id],
    )
    return rows.map((row) => (row.reason === null ? row.topic : `${row.topic} ${row.reason}`))
  }
  const lastContactAgo = (device: RegisteredDevice, interval: string) =>
    around.tables.query('update device_session set last_contact_at = now() - $2::interval where device_id = $1', [
      device.id,
      interval,
    ])
  const leaseRenewedAgo = (gatewayId: string, interval: string) =>
    around.tables.query('update gateway_instance set lease_renewed_at = now() - $2::interval where id = $1', [
      gatewayId,
      interval,
    ])

  it('[4.17] is online once it has signed in, with the time, and offline when it signs out', async () => {
    const device = await around.registered()
    const gatewayId = await around.gateway()
    expect(await isOnline(device)).toBe(false)
    await around.online(device, gatewayId, 'one')
    const record = await around.store.devices.read(around.organizationId, device.id)
    expect(record).toMatchObject({ online: true, gatewayId })
    expect(Math.abs((record?.signedInAt ?? 0) - Date.now())).toBeLessThan(2000)
    await around.store.devices.declareOffline(
      { deviceId: device.id, gatewayId, associationId: 'one', reason: 'signed-out' },
      system,
    )
    expect(await isOnline(device)).toBe(false)
    expect(await events(device)).toEqual(['device.online', 'device.offline signed-out'])
  })

  it('[4.17] stays online when an association that is not its current one ends', async () => {
    const device = await around.registered()
    const [oneGateway, other] = [await around.gateway(), await around.gateway()]
    await around.online(device, oneGateway, 'one')
    await around.online(device, other, 'two')
    for (const [gatewayId, associationId] of [
      [oneGateway, 'one'],
      [oneGateway, 'two'],
      [other, 'one'],
    ] as const) {
      await around.store.devices.declareOffline(
        { deviceId: device.id, gatewayId, associationId, reason: 'association-closed' },
        system,
      )
    }
    expect(await isOnline(device)).toBe(true)
    expect(await events(device)).toEqual(['device.online', 'device.online'])
  })

  it('says it once when it is declared online twice over the same association', async () => {
    const device = await around.registered()
    const gatewayId = await around.gateway()
    expect(await around.online(device, gatewayId, 'one')).toEqual({ sequence: 1 })
    expect(await around.online(device, gatewayId, 'one')).toEqual({ sequence: 1 })
    expect(await events(device)).toEqual(['device.online'])
  })

  it('[4.17] is offline when it was not heard of within the interval of its group, swept or not', async () => {
    const device = await around.registered()
    await around.online(device, await around.gateway())
    await lastContactAgo(device, '61 seconds')
    expect(await isOnline(device)).toBe(false)
    const swept = await around.store.gateways.sweepExpired(system)
    expect(swept.filter(({ deviceId }) => deviceId === device.id)).toMatchObject([{ reason: 'no-contact' }])
    expect(await around.store.gateways.sweepExpired(system)).toEqual([])
    expect(await events(device)).toEqual(['device.online', 'device.offline no-contact'])
    expect((await around.audited('device.offline')).filter((event) => event.subject_id === device.id)).toHaveLength(1)
  })

  it('[4.17] is online again by a further declaration over the same association, with a new number', async () => {
    const device = await around.registered()
    const gatewayId = await around.gateway()
    await around.online(device, gatewayId, 'one')
    const before = await around.store.devices.read(around.organizationId, device.id)
    await lastContactAgo(device, '2 minutes')
    await around.store.gateways.sweepExpired(system)
    expect(await around.online(device, gatewayId, 'one')).toEqual({ sequence: 2 })
    expect(await around.store.devices.read(around.organizationId, device.id)).toMatchObject({
      online: true,
      signedInAt: before?.signedInAt,
    })
  })

  it('[4.17] is offline when the lease of its gateway has run out', async () => {
    const device = await around.registered()
    const gatewayId = await around.gateway()
    await around.online(device, gatewayId)
    await leaseRenewedAgo(gatewayId, '14 seconds')
    expect(await isOnline(device)).toBe(true)
    await leaseRenewedAgo(gatewayId, '16 seconds')
    expect(await isOnline(device)).toBe(false)
    expect(await around.store.gateways.live()).not.toContainEqual(expect.objectContaining({ id: gatewayId }))
    const swept = await around.store.gateways.sweepExpired(system)
    expect(swept).toMatchObject([{ deviceId: device.id, reason: 'gateway-lost' }])
  })

  it('is offline when its gateway stops, and when it begins again as another process', async () => {
    const device = await around.registered()
    const startedAt = clock.now()
    const gateway = { id: randomUUID(), coapsUri: 'coaps://gateway.test', startedAt }
    await around.store.gateways.register(gateway)
    await around.online(device, gateway.id)
    // The same process after a gap of its lease: its associations are still there.
    await around.store.gateways.register(gateway)
    expect(await isOnline(device)).toBe(true)
    await around.store.gateways.register({ ...gateway, startedAt: earlier(startedAt, seconds(1)) })
    expect(await isOnline(device)).toBe(false)
    await around.online(device, gateway.id)
    await around.store.gateways.retire(gateway.id)
    expect(await isOnline(device)).toBe(false)
    expect(await events(device)).toEqual([
      'device.online',
      'device.offline gateway-lost',
      'device.online',
      'device.offline gateway-stopped',
    ])
    await expect(around.store.gateways.renewLease(gateway.id)).rejects.toMatchObject({ code: 'not-found' })
  })

  it('keeps being online by contacts, however far the clock of its gateway is off', async () => {
    const device = await around.registered()
    await around.online(device, await around.gateway())
    await lastContactAgo(device, '50 seconds')
    await around.store.devices.contact([
      { deviceId: device.id, at: earlier(clock.now(), seconds(5)) },
      { deviceId: device.id, at: earlier(clock.now(), seconds(40)) },
      { deviceId: randomUUID(), at: clock.now() },
    ])
    const record = await around.store.devices.read(around.organizationId, device.id)
    expect(Math.abs(Date.now() - 5000 - (record?.lastSeenAt ?? 0))).toBeLessThan(2000)
    // Older than what is known: never back.
    await around.store.devices.contact([{ deviceId: device.id, at: earlier(clock.now(), seconds(50)) }])
    expect(await around.store.devices.read(around.organizationId, device.id)).toMatchObject({
      lastSeenAt: record?.lastSeenAt,
    })
  })

  it('is swept with thousands of others in one call', async () => {
    const { rows } = await around.tables.query(
      'select count(*)::int as count from device_session where ended_at is null',
    )
    const device = await around.registered()
    const gatewayId = await around.gateway()
    const count = 1200
    await around.tables.query(
      `with record as (
         insert into provisioning_record (id, organization_id, group_id, manufacturer_spki_sha256, manufacturer_certificate_pem, remote)
         select gen_random_uuid(), $1, $2, encode(sha256(n::text::bytea), 'hex'), 'pem', 'remote' from generate_series(1, $3) n
         returning id, manufacturer_spki_sha256 as spki
       ), device as (
         insert into device (id, organization_id, group_id, record_id, manufacturer_spki_sha256, state, name, registered_at)
         select gen_random_uuid(), $1, $2, id, spki, 'active', 'lamp', now() from record returning id
       )
       insert into device_session (device_id, organization_id, gateway_id, association_id, certificate_sha256, remote, sequence,
         signed_in_at, last_contact_at)
       select id, $1, $4, 'one', repeat('a', 64), 'remote', 1, now(), now() from device`,
      [around.organizationId, device.groupId, count, gatewayId],
    )
    await leaseRenewedAgo(gatewayId, '20 seconds')
    const swept = await around.store.gateways.sweepExpired(system)
    expect(swept.filter((each) => each.gatewayId === gatewayId)).toHaveLength(count)
    expect(swept.length).toBeLessThanOrEqual(count + rows[0].count)
  })

  it('[4.16] is announced to the gateways when it is deleted', async () => {
    const device = await around.registered()
    const heard: string[] = []
    const stop = await around.store.listen(
      'device_closed',
      (payload) => heard.push(payload),
      () => {},
    )
    await around.store.devices.delete(around.organizationId, device.id, system)
    await vi.waitFor(() =>
      expect(heard.map((each) => JSON.parse(each))).toEqual([{ deviceId: device.id, reason: 'deleted' }]),
    )
    await stop()
  })

  it('does not come online when it is not registered, blocked or deleted', async () => {
    const gatewayId = await around.gateway()
    const claimed = await around.certified()
    await expect(around.online(claimed, gatewayId)).rejects.toMatchObject({ code: 'device-not-registered' })
    const blocked = await around.registered()
    await around.tables.query("update device set state = 'blocked' where id = $1", [blocked.id])
    await expect(around.online(blocked, gatewayId)).rejects.toMatchObject({ code: 'device-blocked' })
    const deleted = await around.registered()
    await around.store.devices.delete(around.organizationId, deleted.id, system)
    await expect(around.online(deleted, gatewayId)).rejects.toMatchObject({ code: 'device-not-registered' })
  })
})
