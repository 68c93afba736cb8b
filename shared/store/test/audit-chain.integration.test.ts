/** The chain over the audit trail, on a real Postgres: who seals at once, what is never left out, and what a DBA can change unseen. */

import { createPrivateKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { type ChainFault, ChainVerification, headBytes } from '@sallyport/audit'
import { instant } from '@sallyport/clock'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { SignedHead, Store } from '../src/index.ts'
import { StoreAroundDevices, system } from './store-around-devices.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const headKey = { id: '00112233445566778899aabbccddeeff', spki: publicKey.export({ format: 'der', type: 'spki' }) }

let around: StoreAroundDevices
let store: Store
beforeAll(async () => {
  around = await StoreAroundDevices.open()
  store = around.store
})
afterAll(() => around.close())
beforeEach(async () => {
  await sealAll()
})

async function sealAll(): Promise<number> {
  let sealed = 0
  for (let batch = await store.auditChain.seal(500); batch.sealed > 0; batch = await store.auditChain.seal(500)) {
    sealed += batch.sealed
  }
  return sealed
}

/** Writes events, a transaction each. */
async function act(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await store.users.recordLogin({ login: 'nobody', outcome: 'failed', reason: 'invalid-credentials' }, system)
  }
}

async function verified(heads: readonly SignedHead[] = []): Promise<{ fault: ChainFault | undefined; count: number }> {
  const verification = new ChainVerification()
  for (const head of heads) verification.expectHead(head, verify('sha256', headBytes(head), publicKey, head.signature))
  for (;;) {
    const page = await store.auditChain.entries(verification.position.sequence, 100)
    for (const { entry, event } of page) verification.add(entry, event)
    if (page.length === 0 || verification.fault !== undefined) break
  }
  return { fault: verification.finish(), count: verification.position.sequence }
}

async function signedHead(): Promise<SignedHead> {
  const { last } = await store.auditChain.seal(1)
  const head = { ...last, signedAt: instant(1_790_000_000_000) }
  const signature = sign(
    'sha256',
    headBytes(head),
    createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' })),
  )
  return { ...head, keyId: headKey.id, signature }
}

describe('the chain over the audit trail', () => {
  it('gives each event its place, once, in the order in which they happened', async () => {
    const before = await verified()
    await act(20)
    expect(await store.auditChain.oldestUnsealed()).toBeDefined()
    expect(await sealAll()).toBe(20)
    expect(await store.auditChain.oldestUnsealed()).toBeUndefined()
    expect(await sealAll()).toBe(0)
    expect(await verified()).toEqual({ fault: undefined, count: before.count + 20 })
    const times = (await store.auditChain.entries(before.count, 100)).map(({ event }) => event?.occurredAt ?? 0)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })

  it('has no fork and leaves nothing out when twenty seal at once while others act', async () => {
    const before = await verified()
    await Promise.all([
      ...Array.from({ length: 5 }, () => act(20)),
      ...Array.from({ length: 20 }, () => store.auditChain.seal(7)),
    ])
    await sealAll()
    expect(await verified()).toEqual({ fault: undefined, count: before.count + 100 })
  })

  it('takes an event whose transaction committed late, behind those that happened after it', async () => {
    const client = await around.tables.connect()
    await client.query('begin')
    await client.query(`
      insert into audit_event (id, type, severity, outcome, actor_kind, actor_id, subject_kind, subject_id, correlation_id, details)
      values (gen_random_uuid(), 'user.login', 'notice', 'failed', 'system', 'late', 'user', 'unknown', 'c', '{}')`)
    await act(3)
    expect(await sealAll()).toBe(3)
    await client.query('commit')
    client.release()
    expect(await sealAll()).toBe(1)
    const { count, fault } = await verified()
    expect(fault).toBeUndefined()
    expect((await store.auditChain.entries(count - 1, 1))[0]?.event?.actor.id).toBe('late')
  })

  it('takes no change, no deletion and no truncation, from nobody', async () => {
    await act(1)
    await sealAll()
    for (const table of ['audit_chain', 'audit_head', 'audit_head_key']) {
      await expect(around.tables.query(`truncate ${table} cascade`)).rejects.toMatchObject({ code: '42501' })
    }
    await expect(around.tables.query('delete from audit_chain')).rejects.toMatchObject({ code: '42501' })
    await expect(around.tables.query('update audit_chain set sequence = 9999')).rejects.toMatchObject({ code: '42501' })
  })

  it('keeps signed heads, and refuses one that is none of this chain', async () => {
    await act(2)
    await sealAll()
    const head = await signedHead()
    await store.auditChain.recordHeadKey(headKey)
    await store.auditChain.recordHeadKey(headKey)
    await store.auditChain.recordHead(head)
    expect(await store.auditChain.lastHead()).toEqual(
      expect.objectContaining({ sequence: head.sequence, keyId: headKey.id }),
    )
    expect(await store.auditChain.headKeys()).toHaveLength(1)
    await expect(store.auditChain.recordHead({ ...head, sha256: new Uint8Array(32) })).rejects.toMatchObject({
      code: 'conflict',
    })
    expect((await verified(await store.auditChain.heads(0, 10))).fault).toBeUndefined()
  })

  it('shows what somebody changed who is above the database, the first bad row by name', async () => {
    await act(10)
    await sealAll()
    const { count } = await verified()
    const { rows } = await around.tables.query('select event_id from audit_chain where sequence = $1', [count - 4])
    const id = String(rows[0]?.event_id)
    await around.tables.query('alter table audit_event disable trigger audit_event_append_only')
    try {
      await around.tables.query("update audit_event set outcome = 'succeeded' where id = $1", [id])
      expect((await verified()).fault).toEqual({ sequence: count - 4, eventId: id, reason: 'event-changed' })
      await around.tables.query("update audit_event set outcome = 'failed' where id = $1", [id])
      expect((await verified()).fault).toBeUndefined()
    } finally {
      await around.tables.query('alter table audit_event enable trigger audit_event_append_only')
    }
  })
})
