import { instant } from '@sallyport/clock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Page, PageRequest } from '../src/index.ts'
import { authority, clock, pemOf, StoreAroundDevices, system } from './store-around-devices.ts'

async function readAll<T>(list: (request: PageRequest) => Promise<Page<T>>, limit: number): Promise<T[]> {
  const items: T[] = []
  let cursor: string | null | undefined
  while (cursor !== null) {
    const page: Page<T> = await list({ limit, ...(cursor === undefined ? {} : { cursor }) })
    expect(page.items.length).toBeLessThanOrEqual(limit)
    items.push(...page.items)
    cursor = page.nextCursor
  }
  return items
}

describe('lists', () => {
  let around: StoreAroundDevices
  const ids: string[] = []
  beforeAll(async () => {
    around = await StoreAroundDevices.open()
    for (let index = 0; index < 7; index += 1) ids.push((await around.registered()).id)
    // The same millisecond for all: the id decides.
    await around.tables.query("update device set registered_at = date_trunc('second', now())")
  })
  afterAll(() => around.close())

  it('are read page by page without a gap or a repeat, also where times are equal', async () => {
    const { store, organizationId } = around
    const listed = await readAll((request) => store.devices.list(organizationId, request), 2)
    expect(listed.map((device) => device.id)).toEqual([...ids].sort().reverse())
    const whole = await readAll((request) => store.auditEvents.list(organizationId, request), 1000)
    const paged = await readAll((request) => store.auditEvents.list(organizationId, request), 5)
    expect(paged.map((event) => event.id)).toEqual(whole.map((event) => event.id))
    expect(await readAll((request) => store.provisioning.list(organizationId, request), 3)).toHaveLength(7)
    expect((await store.devices.list(organizationId, { limit: 7 })).nextCursor).toBeNull()
  })

  it('refuse a cursor that is none, and a limit out of range', async () => {
    const list = (request: PageRequest) => around.store.devices.list(around.organizationId, request)
    for (const cursor of [
      '',
      'x',
      'AAAA',
      Buffer.from('2026-01-01T00:00:00Z; drop table device').toString('base64url'),
    ]) {
      await expect(list({ limit: 10, cursor })).rejects.toMatchObject({ code: 'validation-failed' })
    }
    for (const limit of [0, -1, 1.5, 1001, Number.NaN]) {
      await expect(list({ limit })).rejects.toMatchObject({ code: 'validation-failed' })
    }
  })

  it('[4.17] of devices are filtered by presence, name, labels and group', async () => {
    const { store, organizationId, groupId } = around
    const [first = '', second = ''] = ids
    const change = (id: string, name: string, labels: Record<string, string>) =>
      store.devices.change(organizationId, id, { name, labels }, undefined, system)
    await change(first, 'Lamp 100% _bright_', { room: 'hall', floor: '1' })
    await change(second, 'Heater', { room: 'hall' })
    const gatewayId = await around.gateway()
    await around.tables.query(
      `insert into device_session (device_id, organization_id, gateway_id, association_id, certificate_sha256, remote, sequence,
         signed_in_at, last_contact_at) values ($1, $2, $3, 'one', repeat('a', 64), 'remote', 1, now(), now())`,
      [first, organizationId, gatewayId],
    )
    const listed = async (filter: Omit<Parameters<typeof store.devices.list>[1], 'limit'>) =>
      (await store.devices.list(organizationId, { limit: 100, ...filter })).items.map((device) => device.id)
    expect(await listed({ online: true })).toEqual([first])
    expect(await listed({ online: false })).toHaveLength(6)
    expect(await listed({ name: 'lamp' })).toEqual([first])
    expect(await listed({ name: '0% _b' })).toEqual([first])
    expect(await listed({ name: '%' })).toEqual([first])
    expect((await listed({ label: [{ key: 'room', value: 'hall' }] })).sort()).toEqual([first, second].sort())
    expect(
      await listed({
        label: [
          { key: 'room', value: 'hall' },
          { key: 'floor', value: '1' },
        ],
      }),
    ).toEqual([first])
    expect(await listed({ q: second.slice(0, 13).toUpperCase() })).toEqual([second])
    expect(await listed({ groupId })).toHaveLength(7)
    expect(await listed({ groupId, online: true, q: 'heater' })).toEqual([])
  })

  it('of audit events are filtered by type, actor, subject, correlation, outcome and time', async () => {
    const { store, organizationId } = around
    const [first = ''] = ids
    const act = {
      actor: { kind: 'user', id: 'ada', name: 'Ada' },
      correlationId: 'request-7',
      address: '192.0.2.7',
    } as const
    await store.devices.change(organizationId, first, { name: 'Audited' }, undefined, act)
    const listed = async (filter: Omit<Parameters<typeof store.auditEvents.list>[1], 'limit'>) =>
      (await store.auditEvents.list(organizationId, { limit: 100, ...filter })).items
    const [event] = await listed({ actorId: 'ada' })
    expect(event).toMatchObject({
      type: 'device.changed',
      severity: 'notice',
      outcome: 'succeeded',
      organizationId,
      actor: { kind: 'user', id: 'ada', name: 'Ada' },
      subject: { kind: 'device', id: first },
      address: expect.stringMatching(/^sealed:/),
      correlationId: 'request-7',
      details: { fields: ['name'] },
    })
    expect(await listed({ correlationId: 'request-7' })).toEqual([event])
    expect(await listed({ subjectId: first, type: 'device.changed', actorId: 'ada' })).toEqual([event])
    expect(await listed({ outcome: 'failed', actorId: 'ada' })).toEqual([])
    const at = event?.occurredAt ?? clock.now()
    expect(await listed({ actorId: 'ada', from: at, to: instant(at + 1) })).toEqual([event])
    expect(await listed({ actorId: 'ada', to: at })).toEqual([])
  })

  it('of groups are filtered by name and state, and leave out the deleted', async () => {
    const { store, organizationId } = around
    const make = (name: string) =>
      store.enrollmentGroups.create(organizationId, { name, chainPem: pemOf(name), authorities: [authority()] }, system)
    const heaters = await make('Heaters')
    const gone = await make('Gone heaters')
    await store.enrollmentGroups.change(organizationId, heaters.id, { state: 'disabled' }, 1, system)
    await store.enrollmentGroups.delete(organizationId, gone.id, 1, system)
    const listed = async (filter: { name?: string; state?: 'active' | 'disabled' }) =>
      (await store.enrollmentGroups.list(organizationId, { limit: 10, ...filter })).items.map((group) => group.name)
    expect(await listed({ name: 'heaters' })).toEqual(['Heaters'])
    expect(await listed({ state: 'disabled' })).toEqual(['Heaters'])
    expect(await listed({ state: 'active' })).toEqual(['Lamps'])
  })
})
