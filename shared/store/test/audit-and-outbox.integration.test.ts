import { instant } from '@sallyport/clock'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { OpenStoreOptions, OutboxRow } from '../src/index.ts'
import { authority, inMinutes, pemOf, StoreAroundDevices, system, times } from './store-around-devices.ts'

let around: StoreAroundDevices
const logged: Parameters<NonNullable<OpenStoreOptions['log']>>[0][] = []
beforeAll(async () => {
  around = await StoreAroundDevices.open({ log: (entry) => void logged.push(entry) })
})
afterAll(() => around.close())

describe('the audit trail', () => {
  it('takes no change, no deletion and no truncation, from nobody', async () => {
    for (const statement of [
      "update audit_event set outcome = 'failed'",
      'delete from audit_event',
      'truncate audit_event cascade',
      'truncate organization cascade',
    ]) {
      await expect(around.tables.query(statement)).rejects.toMatchObject({ code: '42501' })
    }
  })

  it('has nothing of a change that was not made', async () => {
    const before = await count()
    const lead = authority()
    const make = () =>
      around.store.enrollmentGroups.create(
        around.organizationId,
        { name: 'Twice', chainPem: pemOf('twice'), authorities: [lead] },
        system,
      )
    await make()
    await expect(make()).rejects.toMatchObject({ code: 'conflict' })
    expect(await count()).toEqual({ audit: before.audit + 1, outbox: before.outbox + 1 })
  })

  it('[0.47] is named by the log, event by event once it is committed, and by nothing but its id and its type', async () => {
    const lead = authority()
    const make = (name: string) =>
      around.store.enrollmentGroups.create(
        around.organizationId,
        { name, chainPem: pemOf('logged'), authorities: [lead] },
        { ...system, correlationId: 'logged-act' },
      )
    await make('Secret name')
    await expect(make('Secret name')).rejects.toMatchObject({ code: 'conflict' })
    const { rows } = await around.tables.query<{ id: string }>(
      "select id from audit_event where correlation_id = 'logged-act'",
    )
    expect(rows).toHaveLength(1)
    expect(logged.filter(({ audited }) => audited?.correlationId === 'logged-act')).toEqual([
      {
        level: 'info',
        message: 'audited',
        audited: { auditEvent: rows[0]?.id, type: 'group.created', correlationId: 'logged-act' },
      },
    ])
    expect(JSON.stringify(logged)).not.toContain('Secret name')
  })

  it('has who logged in, who failed to and why, and nothing of what a stranger typed', async () => {
    const { store, userId, organizationId } = around
    expect(await store.users.findByLogin('admin')).toMatchObject({ id: userId, roles: ['owner'], organizationId })
    expect(await store.users.findByLogin('ADMIN@acme.test')).toMatchObject({ id: userId, username: 'Admin' })
    expect(await store.users.findByLogin('nobody')).toBeUndefined()
    await store.users.recordLogin({ userId, login: 'admin', outcome: 'succeeded', sessionId: 's1' }, system)
    await store.users.recordLogin({ userId, login: 'admin', outcome: 'failed', reason: 'invalid-credentials' }, system)
    await store.users.recordLogin({ login: 'hunter2', outcome: 'failed', reason: 'invalid-credentials' }, system)
    expect(await around.audited('user.login')).toEqual([
      { subject_id: userId, outcome: 'succeeded', details: { sessionId: 's1' } },
      { subject_id: userId, outcome: 'failed', details: { reason: 'invalid-credentials' } },
      { subject_id: 'unknown', outcome: 'failed', details: { reason: 'invalid-credentials' } },
    ])
    const { rows } = await around.tables.query("select 1 from audit_event where audit_event::text like '%hunter2%'")
    expect(rows).toEqual([])
  })

  it('[0.13] has each authentication of a device: outcome, address, cipher, certificate, reason', async () => {
    const device = await around.certified()
    const act = { actor: { kind: 'device', id: device.id }, correlationId: 'c1', address: '192.0.2.9' } as const
    await around.store.auditEvents.recordAuthentication(
      {
        deviceId: device.id,
        outcome: 'failed',
        stage: 'handshake',
        reason: 'certificate-revoked',
        cipherSuite: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
        certificateSerial: '0a0b',
        certificateSha256: device.certificateSha256,
      },
      act,
    )
    const { items } = await around.store.auditEvents.list(around.organizationId, {
      limit: 1,
      type: 'device.authenticated',
    })
    expect(items).toMatchObject([
      {
        outcome: 'failed',
        address: '192.0.2.9',
        actor: { kind: 'device', id: device.id },
        details: {
          stage: 'handshake',
          reason: 'certificate-revoked',
          cipherSuite: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
          certificateSerial: '0a0b',
        },
      },
    ])
  })

  it('[0.13] has one row per prefix, reason and minute for a flood of failed admissions, and no event', async () => {
    const minute = instant(Math.floor(Date.now() / 60_000) * 60_000)
    const before = await count()
    const flood = { prefix: '203.0.113.0/24', reason: 'certificate-missing', minute, count: 5000 }
    await Promise.all(times(20, () => around.store.auditEvents.countAdmissionFailures([flood, flood])))
    const { rows } = await around.tables.query('select prefix, reason, count from admission_failure')
    expect(rows).toEqual([{ prefix: '203.0.113.0/24', reason: 'certificate-missing', count: '200000' }])
    expect(await count()).toEqual(before)
  })

  it('has a refused admission of a chain that was good', async () => {
    await around.store.auditEvents.recordAdmissionRefusal(
      {
        organizationId: around.organizationId,
        code: 'enrollment-disabled',
        detail: 'd'.repeat(3000),
        certificateSha256: 'b'.repeat(64),
        commonName: 'uuid:x',
      },
      system,
    )
    expect(await around.audited('provisioning.refused')).toMatchObject([
      { subject_id: 'b'.repeat(64), outcome: 'failed', details: { code: 'enrollment-disabled', commonName: 'uuid:x' } },
    ])
  })

  it('has an event for each act of the whole life of a device, and an outbox row where others are told', async () => {
    const { store, organizationId } = around
    const device = await around.registered()
    const gatewayId = await around.gateway()
    await store.certificates.markSignedIn(device.certificateSha256, system)
    await around.online(device, gatewayId, 'one')
    await store.resources.publish(device.id, [{ href: '/a', rt: ['x'], if: [] }], 60, system)
    await store.resources.publish(device.id, [{ href: '/a', rt: ['x'], if: [] }], 60, system)
    await store.resources.report(device.id, '/a', { representation: 1, contentFormat: 50 }, system)
    await store.resources.report(device.id, '/a', { representation: 1, contentFormat: 50 }, system)
    await store.telemetry.append([{ deviceId: device.id, organizationId, name: 't', at: inMinutes(0), value: true }])
    await store.devices.change(organizationId, device.id, { labels: { a: 'b' } }, 1, system)
    const { id } = await store.commands.create(
      organizationId,
      { deviceId: device.id, href: '/a', method: 'GET', payload: null, expiresAt: inMinutes(1) },
      system,
    )
    await store.commands.claim(id, gatewayId)
    await store.commands.complete(id, { state: 'refused', coapCode: '4.04', errorCode: 'device-refused' }, system)
    await store.resources.unpublish(device.id, 'all', system)
    await store.devices.delete(organizationId, device.id, system)
    const { rows: events } = await around.tables.query(
      `select type from audit_event where subject_id in ($1, $2, $3, $4) order by occurred_at, id`,
      [device.id, device.recordId, device.certificateSha256, id],
    )
    expect(events.map((row) => row.type).sort()).toEqual(
      [
        'provisioning.begun',
        'device.claimed',
        'certificate.issued',
        'onboarding-code.created',
        'device.registered',
        'onboarding-code.redeemed',
        'certificate.activated',
        'device.online',
        'resource.published',
        'device.changed',
        'command.created',
        'command.finished',
        'resource.unpublished',
        'device.offline',
        'device.deleted',
      ].sort(),
    )
    const { rows: told } = await around.tables.query(
      'select topic, correlation_id from outbox where device_id = $1 order by sequence',
      [device.id],
    )
    expect(told.map((row) => row.topic)).toEqual([
      'device.registered',
      'device.online',
      'resource.published',
      'resource.changed',
      'device.changed',
      'command.pending',
      'command.finished',
      'resource.unpublished',
      'device.offline',
      'device.deleted',
    ])
    expect(new Set(told.map((row) => row.correlation_id))).toEqual(new Set([system.correlationId]))
  })

  async function count(): Promise<{ audit: number; outbox: number }> {
    const { rows } = await around.tables.query(
      'select (select count(*)::int from audit_event) as audit, (select count(*)::int from outbox) as outbox',
    )
    return rows[0]
  }
})

describe('the outbox', () => {
  it('hands each row to one of several relays', async () => {
    await drain()
    const device = await around.registered()
    for (let index = 0; index < 40; index += 1) {
      await around.store.devices.change(around.organizationId, device.id, { name: `n${index}` }, undefined, system)
    }
    const published: number[] = []
    const relay = () =>
      around.store.outbox.publishBatch(10, async (rows) => {
        await new Promise((resolve) => setTimeout(resolve, 20))
        published.push(...rows.map((row) => row.position))
      })
    let batch = 1
    while (batch > 0) batch = Math.max(...(await Promise.all(times(4, relay))))
    expect(published).toHaveLength(41)
    expect(new Set(published).size).toBe(41)
  })

  it('keeps the rows of a relay whose publishing failed, and passes on the failure', async () => {
    await drain()
    await around.registered()
    const failure = new Error('Redis is away')
    await expect(
      around.store.outbox.publishBatch(10, async () => {
        throw failure
      }),
    ).rejects.toBe(failure)
    expect(await drain()).toHaveLength(1)
  })

  it('shows an event as it happened, and what comes after a position', async () => {
    await drain()
    const device = await around.registered()
    await around.store.devices.change(around.organizationId, device.id, { name: 'x' }, undefined, system)
    await around.store.devices.change(around.organizationId, device.id, { name: 'y' }, undefined, system)
    const [first, second, third] = await drain()
    expect(first?.event).toMatchObject({
      topic: 'device.registered',
      organizationId: around.organizationId,
      deviceId: device.id,
      correlationId: system.correlationId,
      data: { recordId: device.recordId },
    })
    expect(first?.event.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    expect(Math.abs(Date.parse(first?.event.occurredAt ?? '') - Date.now())).toBeLessThan(5000)
    expect(await around.store.outbox.after(first?.position ?? 0, 100)).toEqual([second, third])
    expect(await around.store.outbox.after(first?.position ?? 0, 1)).toEqual([second])
    expect(await around.store.outbox.head()).toBe(third?.position)
  })

  it('numbers what is committed without holes, however many number at once, and late what commits late', async () => {
    await drain()
    const before = await around.store.outbox.head()
    const insert = `insert into outbox (id, topic, organization_id, correlation_id, data)
      values (gen_random_uuid(), 'device.online', '${around.organizationId}', $1, '{}')`
    const slow = await around.tables.connect()
    try {
      await slow.query('begin')
      await slow.query(insert, ['first to write, last to commit'])
      for (const name of times(30, String)) await around.tables.query(insert, [name])
      await Promise.all(times(20, () => around.store.outbox.number()))
      const early = await around.store.outbox.after(before, 100)
      expect(early.map(({ position }) => position - before)).toEqual(times(30, (index) => index + 1))
      await slow.query('commit')
    } finally {
      slow.release()
    }
    await Promise.all(times(20, () => around.store.outbox.number()))
    const [late, ...more] = await around.store.outbox.after(before + 30, 100)
    expect(late).toMatchObject({ position: before + 31, event: { correlationId: 'first to write, last to commit' } })
    expect(more).toEqual([])
    expect(await around.store.outbox.head()).toBe(before + 31)
  })

  it('says where one organization’s event stands and what followed, and nothing to another', async () => {
    await drain()
    const device = await around.registered()
    await around.store.devices.change(around.organizationId, device.id, { name: 'x' }, undefined, system)
    const [first, second] = await drain()
    const { outbox } = around.store
    const stranger = '00000000-0000-7000-8000-00000000000f'
    const id = first?.event.id ?? ''
    const position = first?.position ?? 0
    expect(first?.event.groupId).toBe(around.groupId)
    expect(await outbox.positionOf(around.organizationId, id)).toBe(position)
    expect(await outbox.positionOf(stranger, id)).toBeUndefined()
    const range = { after: position, upTo: position + 10, limit: 10 }
    expect(await outbox.ofOrganization(around.organizationId, range)).toEqual([second])
    expect(await outbox.ofOrganization(stranger, { ...range, after: 0 })).toEqual([])
    expect(await outbox.latestOf(around.organizationId, position + 10)).toBe(second?.event.id)
    expect(await outbox.latestOf(around.organizationId, position)).toBe(id)
    expect(await outbox.latestOf(stranger, position + 10)).toBeUndefined()
  })

  it('wakes relays after the commit', async () => {
    let woken = 0
    const stop = await around.store.listen(
      'outbox',
      () => {
        woken += 1
      },
      () => {},
    )
    await around.registered()
    await vi.waitFor(() => expect(woken).toBeGreaterThan(0))
    await stop()
  })

  async function drain(): Promise<OutboxRow[]> {
    const all: OutboxRow[] = []
    while ((await around.store.outbox.publishBatch(1000, async (rows) => void all.push(...rows))) > 0);
    return all
  }
})
