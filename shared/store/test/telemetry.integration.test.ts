import { instant, later, minutes, seconds } from '@sallyport/clock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TelemetryRow } from '../src/index.ts'
import { clock, type RegisteredDevice, StoreAroundDevices, system } from './store-around-devices.ts'

let around: StoreAroundDevices
let device: RegisteredDevice
beforeAll(async () => {
  around = await StoreAroundDevices.open()
  device = await around.registered()
})
afterAll(() => around.close())

describe('telemetry', () => {
  const at = instant(Date.UTC(2026, 0, 15, 12))
  const row = (fields: Partial<TelemetryRow> = {}): TelemetryRow => ({
    deviceId: device.id,
    organizationId: around.organizationId,
    name: 'temperature',
    at,
    value: 21.5,
    ...fields,
  })
  const last = async () =>
    Object.fromEntries(
      (await around.store.telemetry.last(around.organizationId, device.id)).map(({ name, ...point }) => [name, point]),
    )

  it('gives back every kind of value as it was', async () => {
    const values: Record<string, TelemetryRow['value']> = {
      number: -0.1,
      huge: 1.7976931348623157e308,
      text: 'grün "quoted", {braces} \\ and NULL',
      empty: '',
      yes: true,
      no: false,
      bytes: Uint8Array.from([0, 1, 255]),
    }
    await around.store.telemetry.append(
      Object.entries(values).map(([name, value]) => row({ name, value, unit: 'Cel' })),
    )
    const points = await last()
    for (const [name, value] of Object.entries(values)) {
      const got = points[name]?.value
      expect(got instanceof Uint8Array ? Uint8Array.from(got) : got).toEqual(value)
      expect(points[name]).toMatchObject({ at, unit: 'Cel' })
    }
  })

  it('is stored once when it is appended twice, within a batch and between batches at once', async () => {
    const rows = [
      row({ name: 'again' }),
      row({ name: 'again', at: later(at, seconds(1)) }),
      row({ name: 'again', value: 99 }),
    ]
    await Promise.all([around.store.telemetry.append(rows), around.store.telemetry.append([...rows].reverse())])
    const { items } = await around.store.telemetry.range(around.organizationId, device.id, { name: 'again', limit: 10 })
    expect(items).toHaveLength(2)
  })

  it('is read as a range, newest first, page by page', async () => {
    const rows = Array.from({ length: 25 }, (_, index) =>
      row({ name: 'range', at: later(at, minutes(index)), value: index }),
    )
    await around.store.telemetry.append(rows)
    const read = (cursor?: string) =>
      around.store.telemetry.range(around.organizationId, device.id, {
        name: 'range',
        from: later(at, minutes(1)),
        to: later(at, minutes(24)),
        limit: 10,
        ...(cursor === undefined ? {} : { cursor }),
      })
    const first = await read()
    const second = await read(first.nextCursor ?? '')
    const third = await read(second.nextCursor ?? '')
    const values = [...first.items, ...second.items, ...third.items].map((point) => point.value)
    expect(values).toEqual(Array.from({ length: 23 }, (_, index) => 23 - index))
    expect(third.nextCursor).toBeNull()
    await expect(read('nonsense')).rejects.toMatchObject({ code: 'validation-failed' })
  })

  it('takes what a device with a broken clock measured, and thousands of rows at once', async () => {
    const odd = [instant(0), instant(Date.UTC(2099, 0, 1)), clock.now()].map((when) => row({ name: 'odd', at: when }))
    await around.store.telemetry.append(odd)
    const many = Array.from({ length: 5000 }, (_, index) =>
      row({ name: 'many', at: later(at, seconds(index)), value: index }),
    )
    await around.store.telemetry.append(many)
    const points = await last()
    expect(points.odd?.at).toBe(Date.UTC(2099, 0, 1))
    expect(points.many?.value).toBe(4999)
    const { rows } = await around.tables.query(
      "select tableoid::regclass::text as partition from telemetry where name = 'odd' order by at",
    )
    expect(rows[0]).toEqual({ partition: 'telemetry_other' })
    expect(rows[2]?.partition === 'telemetry_other' || rows[1]?.partition.startsWith('telemetry_20')).toBe(true)
  })

  it('refuses what Postgres cannot hold, all of the batch', async () => {
    await expect(
      around.store.telemetry.append([row({ name: 'good' }), row({ name: 'bad', value: 'nul \0' })]),
    ).rejects.toMatchObject({ code: 'validation-failed' })
    expect((await last()).good).toBeUndefined()
  })

  it('of a device that was deleted is removed by the housekeeping, and of no other', async () => {
    const gone = await around.registered()
    await around.store.telemetry.append([row({ deviceId: gone.id }), row({ name: 'stays' })])
    await around.store.devices.delete(around.organizationId, gone.id, system)
    await around.store.housekeep()
    const { rows } = await around.tables.query('select distinct device_id from telemetry')
    expect(rows).toEqual([{ device_id: device.id }])
  })
})
