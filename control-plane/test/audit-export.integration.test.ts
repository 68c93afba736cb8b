/** The export of the audit trail: proven without the installation, and nothing in it of other organizations but hashes. */

import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { headBytes, verifyAuditExport } from '@sallyport/audit'
import { toHex } from '@sallyport/bytes'
import { clockFrom, toRfc3339 } from '@sallyport/clock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const headKey = { id: '00112233445566778899aabbccddeeff', spki: publicKey.export({ format: 'der', type: 'spki' }) }
const trustedKeys = [toHex(createHash('sha256').update(headKey.spki).digest())]

let running: RunningControlPlane
let owner: Session
let other: Session
const clock = clockFrom(Date.now)
beforeAll(async () => {
  running = await RunningControlPlane.start()
  owner = await running.logIn()
  other = await running.anotherOrganization()
})
afterAll(() => running.stop())

/** What the dps does: seals what there is, and signs the head. */
async function seal(): Promise<void> {
  const chain = running.store.auditChain
  for (let batch = await chain.seal(500); batch.sealed === 500; batch = await chain.seal(500));
  const { last } = await chain.seal(1)
  const head = { ...last, signedAt: clock.now() }
  await chain.recordHeadKey(headKey)
  await chain.recordHead({ ...head, keyId: headKey.id, signature: sign('sha256', headBytes(head), privateKey) })
}

async function exported(session: Session, query = '') {
  const response = await fetch(`${running.controlPlane.addresses.http}/api/v1/audit-events/export${query}`, {
    headers: { authorization: `Bearer ${session.accessToken}` },
  })
  const text = await response.text()
  return { status: response.status, type: response.headers.get('content-type'), text, lines: text.split('\n') }
}

/** Renamed so often, by each in turn. */
async function act(times: number): Promise<void> {
  for (let count = 0; count < times; count += 1) {
    for (const [session, name] of [
      [owner, `Ours ${count}`],
      [other, `Theirs ${randomUUID()}`],
    ] as const) {
      const { status } = await session.call('PATCH', '/api/v1/organization', {
        body: { name },
        headers: { 'if-match': '*' },
      })
      expect(status).toBe(200)
    }
  }
}

describe('the export of the audit trail', () => {
  it('is not there before a head was signed', async () => {
    const { status, text } = await exported(owner)
    expect([status, JSON.parse(text).code]).toEqual([503, 'dependency-unavailable'])
  })

  it('[0.49] [6.31] [6.32] is proven offline by each organization, and shows neither the other’s events', async () => {
    await act(5)
    await seal()
    for (const [session, name, strange] of [
      [owner, 'Ours', 'Theirs'],
      [other, 'Theirs', 'Ours'],
    ] as const) {
      const { status, type, text, lines } = await exported(session)
      expect([status, type]).toEqual([200, 'application/x-ndjson'])
      const report = await verifyAuditExport(lines, { trustedKeys })
      expect(report.finding).toBeUndefined()
      expect(report.events + report.others).toBe(report.last)
      expect(report.others).toBeGreaterThanOrEqual(5)
      expect(text.match(new RegExp(`"name":"${name}`, 'g'))).toHaveLength(5)
      expect(text).not.toContain(`"name":"${strange}`)
      const [organizationId] = [report.organizationId ?? '']
      const theirs = running.sql(
        `select count(*) from audit_event join audit_chain on event_id = id where organization_id = '${organizationId}'`,
      )
      expect(String(report.events)).toBe(theirs)
      const foreign = running.sql(
        `select id from audit_event where organization_id is distinct from '${organizationId}'`,
      )
      for (const id of foreign.split('\n')) expect(text).not.toContain(id)
    }
  })

  it('is an event itself', async () => {
    const { status } = await exported(owner)
    expect(status).toBe(200)
    const { body } = await owner.call('GET', '/api/v1/audit-events?type=audit.exported&limit=1')
    expect(body.items[0]).toMatchObject({ type: 'audit.exported', outcome: 'succeeded', details: { after: 0 } })
  })

  it('holds a span of time from head to head, and what happened in it in full', async () => {
    await act(2)
    await seal()
    const from = toRfc3339(clock.now())
    await act(3)
    const to = toRfc3339(clock.now())
    await seal()
    await act(2)
    await seal()
    const { lines, text } = await exported(owner, `?from=${from}&to=${to}`)
    const report = await verifyAuditExport(lines, { trustedKeys })
    expect(report.finding).toBeUndefined()
    expect(report).toMatchObject({ from, to })
    expect(report.first).toBeGreaterThan(1)
    expect(text.match(/"type":"organization.changed"/g)).toHaveLength(3)
    const later = await exported(owner, `?from=${toRfc3339(clock.now())}`)
    expect(await verifyAuditExport(later.lines, { trustedKeys })).toMatchObject({ events: 0, others: 0 })
    expect((await verifyAuditExport(later.lines)).finding).toBeUndefined()
  })

  it('goes on over many pages', async () => {
    running.sql(`insert into audit_event (id, organization_id, type, severity, outcome, actor_kind, actor_id, subject_kind,
      subject_id, correlation_id, details)
      select gen_random_uuid(), case when n % 3 = 0 then '${running.admin.organizationId}'::uuid end, 'hub.recorded', 'notice',
        'succeeded', 'system', 'test', 'hub', 'h', 'c', '{}' from generate_series(1, 2500) n`)
    await seal()
    const { lines } = await exported(owner)
    const report = await verifyAuditExport(lines, { trustedKeys })
    expect(report.finding).toBeUndefined()
    expect(report.last).toBeGreaterThan(2500)
  })

  it('[0.49] shows what somebody changed in the database who got around its guard', async () => {
    const id = running.sql(`select id from audit_event where type = 'organization.changed'
      and organization_id = '${running.admin.organizationId}' order by occurred_at limit 1`)
    running.sql(`alter table audit_event disable trigger audit_event_append_only;
      update audit_event set outcome = 'failed' where id = '${id}';
      alter table audit_event enable trigger audit_event_append_only`)
    const { finding } = await verifyAuditExport((await exported(owner)).lines, { trustedKeys })
    expect(finding).toMatchObject({ reason: 'event-changed', eventId: id })
    // The other organization is not told of it: of that event it has the hash that was sealed.
    expect((await verifyAuditExport((await exported(other)).lines, { trustedKeys })).finding).toBeUndefined()
  })

  it('is for who may read the trail', async () => {
    running.sql(`update user_account set roles = '{member}' where username like 'other-%'`)
    await expect.poll(async () => (await exported(other)).status, { timeout: 5000 }).toBe(403)
  })
})
