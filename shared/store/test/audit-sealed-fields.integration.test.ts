/** What the audit trail tells of people, sealed: who can read it, how it is destroyed, and what stays. */

import { createECDH, randomUUID } from 'node:crypto'
import {
  ChainVerification,
  hpkeOpen,
  openText,
  type SealedText,
  sealedInColumn,
  subjectKeyContext,
  subjectKeyPurpose,
} from '@sallyport/audit'
import { fromHex } from '@sallyport/bytes'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ActContext, type AuditEventRecord, openStore, type Store } from '../src/index.ts'
import { clock, StoreAroundDevices, system } from './store-around-devices.ts'

let around: StoreAroundDevices
/** Opened once the key was there: what is sealed to is asked for once a minute. */
let store: Store
/** As it lies in the HSM. */
const recipient = createECDH('prime256v1')
const spki = Buffer.concat([
  fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200'),
  new Uint8Array(recipient.generateKeys()),
])
const address = '203.0.113.77'
beforeAll(async () => {
  around = await StoreAroundDevices.open()
  await around.store.auditSubjects.recordOpeningKey({ id: 'ab'.repeat(16), spki }, system)
  store = await anotherStore()
})
afterAll(async () => {
  await store.close()
  await around.close()
})

const anotherStore = () => openStore({ connectionString: around.url, applicationName: 'test', clock })

/** Renames the organization, as this person and from that address. */
async function renamedBy(userId: string): Promise<AuditEventRecord> {
  const act: ActContext = { actor: { kind: 'user', id: userId }, correlationId: randomUUID(), address }
  await store.organizations.rename(around.organizationId, `Acme ${act.correlationId}`, undefined, act)
  const { items } = await store.auditEvents.list(around.organizationId, {
    limit: 10,
    correlationId: act.correlationId,
  })
  const [event] = items
  if (event === undefined || items.length > 1) throw new Error('not one event')
  return event
}

async function addressIn(event: AuditEventRecord, changed: Partial<{ eventId: string; subject: string }> = {}) {
  const sealed = sealedInColumn(event.address ?? '')
  if (sealed === undefined) throw new Error('the address is not sealed')
  const [row] = await store.auditSubjects.keys(around.organizationId, [sealed.key])
  if (row?.sealedKey === undefined) return undefined
  const encapsulated = row.sealedKey.subarray(0, 65)
  const key = hpkeOpen(
    {
      encapsulated,
      recipient: recipient.getPublicKey(),
      sharedSecret: recipient.computeSecret(encapsulated),
      info: subjectKeyPurpose,
    },
    {
      ciphertext: row.sealedKey.subarray(65),
      additionalData: subjectKeyContext({ ...row, organizationId: around.organizationId }),
    },
  )
  return openText(sealed, key, { eventId: event.id, field: 'address', subject: row.subject, ...changed })
}

async function chain() {
  while ((await store.auditChain.seal(500)).sealed > 0);
  const verification = new ChainVerification()
  for (const { entry, event } of await store.auditChain.entries(0, 1000)) verification.add(entry, event)
  return { fault: verification.finish(), count: verification.position.sequence }
}

describe('a sealed field of the audit trail', () => {
  it('[0.47] is nowhere in the database in the clear, and opens with the key in the HSM', async () => {
    const event = await renamedBy(randomUUID())
    expect(await addressIn(event)).toBe(address)
    const { rows } = await around.tables.query(`select 1 from audit_event where audit_event::text like '%${address}%'`)
    expect(rows).toEqual([])
  })

  it('[0.47] opens in its own event and place alone', async () => {
    const event = await renamedBy(randomUUID())
    await expect(addressIn(event, { eventId: randomUUID() })).rejects.toMatchObject({ code: 'sealed-value-invalid' })
    await expect(addressIn(event, { subject: 'user/someone' })).rejects.toMatchObject({ code: 'sealed-value-invalid' })
  })

  it('has one key for a person, whatever they do', async () => {
    const [one, two] = [randomUUID(), randomUUID()]
    const events = await Promise.all([renamedBy(one), renamedBy(one), renamedBy(two)])
    const keys = events.map((event) => sealedInColumn(event.address ?? '')?.key)
    expect(keys[0]).toBe(keys[1])
    expect(keys[2]).not.toBe(keys[0])
  })

  it('[0.47] is gone once its subject is erased, also for who still has the key; the events stay, and the chain is whole', async () => {
    const [person, neighbour] = [randomUUID(), randomUUID()]
    const before = await renamedBy(person)
    const other = await renamedBy(neighbour)
    const whole = await chain()
    expect(whole.fault).toBeUndefined()
    expect(await store.auditSubjects.erase(`user/${person}`, system)).toBe(1)
    expect(await addressIn(before)).toBeUndefined()
    expect(await addressIn(other)).toBe(address)
    // The process that sealed it has the key in its memory, and writes on.
    expect(await addressIn(await renamedBy(person))).toBeUndefined()
    const { items } = await store.auditEvents.list(around.organizationId, {
      limit: 5,
      correlationId: before.correlationId,
    })
    expect(items).toEqual([before])
    const after = await chain()
    expect(after).toEqual({ fault: undefined, count: whole.count + 2 })
    expect(await store.auditSubjects.erase(`user/${person}`, system)).toBe(0)
    expect(await around.audited('audit-subject.erased')).toHaveLength(1)
  })

  it('is not brought back by those who write about the person while it is erased', async () => {
    const person = randomUUID()
    await renamedBy(person)
    const second = await anotherStore()
    const act: ActContext = { actor: { kind: 'user', id: person }, correlationId: randomUUID(), address }
    await Promise.all([
      store.auditSubjects.erase(`user/${person}`, system),
      ...Array.from({ length: 10 }, () =>
        second.users.recordSessionEnd(
          { userId: person, organizationId: around.organizationId, sessionId: 's', cause: 'logout' },
          act,
        ),
      ),
    ])
    await store.auditSubjects.erase(`user/${person}`, system)
    await second.users.recordSessionEnd(
      { userId: person, organizationId: around.organizationId, sessionId: 's', cause: 'logout' },
      act,
    )
    // A process that has no key of the person yet makes one, which is none.
    const third = await anotherStore()
    await third.users.recordSessionEnd(
      { userId: person, organizationId: around.organizationId, sessionId: 's', cause: 'logout' },
      act,
    )
    await Promise.all([second.close(), third.close()])
    const { rows } = await around.tables.query(
      'select 1 from audit_subject_key where subject = $1 and sealed_key is not null',
      [`user/${person}`],
    )
    expect(rows).toEqual([])
  })

  it('is sealed to the newest key once that is known, and what an older one sealed still names it', async () => {
    const person = randomUUID()
    const before = sealedInColumn((await renamedBy(person)).address ?? '') as SealedText
    const [row] = await store.auditSubjects.keys(around.organizationId, [before.key])
    expect(row?.openingKeyId).toBe('ab'.repeat(16))
    expect((await store.auditSubjects.openingKeys()).length).toBeGreaterThan(1)
  })
})

describe('who may do what to the audit trail', () => {
  const roles = ['sallyport_control_plane', 'sallyport_dps', 'sallyport_gateway', 'sallyport_tenant'] as const
  const tables = [
    'audit_event',
    'audit_chain',
    'audit_head',
    'audit_head_key',
    'audit_opening_key',
    'audit_subject_key',
  ]

  it.each(roles)('[0.47] %s changes and deletes nothing of it, but for keys that it destroys', async (role) => {
    const client = new pg.Client({
      connectionString: around.urlAs(role === 'sallyport_tenant' ? 'sallyport_control_plane' : role),
    })
    await client.connect()
    try {
      if (role === 'sallyport_tenant') {
        await client.query('set role sallyport_tenant')
        await client.query("select set_config('sallyport.organization', $1, false)", [around.organizationId])
      }
      for (const table of tables) {
        for (const change of [`delete from ${table}`, `truncate ${table} cascade`]) {
          await expect(client.query(change), `${role}: ${change}`).rejects.toMatchObject({ code: '42501' })
        }
        const { rows } = await around.tables.query(
          `select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
          [table],
        )
        for (const { name } of rows) {
          const update = `update ${table} set ${name} = ${name}`
          await expect(client.query(update), `${role}: ${update}`).rejects.toMatchObject({ code: '42501' })
        }
      }
      if (role !== 'sallyport_control_plane') {
        const insert = `insert into audit_opening_key (id, spki) values ('${'cd'.repeat(16)}', '\\x00')`
        await expect(client.query(insert), role).rejects.toMatchObject({ code: '42501' })
      }
    } finally {
      await client.end()
    }
  })

  it('[0.47] the owner of the tables neither: triggers refuse it', async () => {
    await renamedBy(randomUUID())
    await chain()
    for (const table of tables.filter((name) => name !== 'audit_head' && name !== 'audit_head_key')) {
      await expect(around.tables.query(`delete from ${table}`), table).rejects.toMatchObject({ code: '42501' })
      await expect(around.tables.query(`truncate ${table} cascade`), table).rejects.toMatchObject({ code: '42501' })
    }
    await expect(around.tables.query("update audit_subject_key set subject = 'x'")).rejects.toMatchObject({
      code: '42501',
    })
    await expect(around.tables.query("update audit_event set outcome = 'failed'")).rejects.toMatchObject({
      code: '42501',
    })
  })
})
