/** The sealer of the audit chain on real parts: Postgres, and a key in a SoftHSM token. */

import { createPublicKey, verify } from 'node:crypto'
import { type ChainPosition, ChainVerification, headBytes } from '@sallyport/audit'
import { clockFrom } from '@sallyport/clock'
import { eventually } from '@sallyport/development'
import { createLogger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { AuditHeadKey } from '../src/audit-head-key.ts'
import { AuditSealer } from '../src/audit-sealer.ts'
import { act, createIssuingInstallation, type IssuingInstallation } from './issuing-installation.ts'

let installation: IssuingInstallation
const sealers: AuditSealer[] = []
beforeAll(async () => {
  installation = await createIssuingInstallation()
})
afterAll(() => installation.close())
afterEach(async () => {
  for (const sealer of sealers.splice(0)) await sealer.stop()
})

const headKey = () =>
  new AuditHeadKey({
    token: installation.token,
    chain: installation.store.auditChain,
    withLock: (work) => installation.store.withAdvisoryLock('audit head key', work),
  })

function startSealer(sign: AuditHeadKey['sign']): { readonly sealer: AuditSealer; readonly signed: ChainPosition[] } {
  const signed: ChainPosition[] = []
  const sealer = new AuditSealer({
    chain: installation.store.auditChain,
    sign,
    clock: clockFrom(Date.now),
    log: createLogger({ service: 'dps-test', level: 'silent' }),
    onSealed: () => undefined,
    onSigned: (head) => signed.push(head),
  })
  sealer.start()
  sealers.push(sealer)
  return { sealer, signed }
}

const happen = () =>
  installation.store.users.recordLogin({ login: 'nobody', outcome: 'failed', reason: 'invalid-credentials' }, act())

describe('the audit sealer', () => {
  it('[6.32] gives an event its place within a second of its commit, and the HSM signs the head', async () => {
    const key = headKey()
    const { sealer, signed } = startSealer((bytes) => key.sign(bytes))
    await happen()
    const start = performance.now()
    await eventually('it is sealed', async () => (await installation.store.auditChain.oldestUnsealed()) === undefined)
    expect(performance.now() - start).toBeLessThan(1_000)
    await sealer.stop()
    expect(signed).toHaveLength(1)
    const head = await installation.store.auditChain.lastHead()
    const [known] = await installation.store.auditChain.headKeys()
    if (head === undefined || known === undefined) throw new Error('no head')
    expect(head).toMatchObject({ sequence: signed[0]?.sequence, keyId: known.id })
    const publicKey = createPublicKey({ key: Buffer.from(known.spki), format: 'der', type: 'spki' })
    const verification = new ChainVerification()
    verification.expectHead(head, verify('sha256', headBytes(head), publicKey, head.signature))
    for (const { entry, event } of await installation.store.auditChain.entries(0, 1000)) verification.add(entry, event)
    expect(verification.finish()).toBeUndefined()
    expect(verification.position.sequence).toBe(head.sequence)
  })

  it('has one key, however many begin at once', async () => {
    const keys = await Promise.all(Array.from({ length: 5 }, () => headKey().sign(Uint8Array.of(1))))
    expect(new Set(keys.map(({ keyId }) => keyId)).size).toBe(1)
    expect(await installation.store.auditChain.headKeys()).toHaveLength(1)
    const token = await installation.token.opened()
    expect((await token.listEcKeys()).filter(({ label }) => label === 'audit-head')).toHaveLength(1)
  })

  it('goes on without the HSM, and signs when it is back', async () => {
    const key = headKey()
    let up = false
    const { sealer, signed } = startSealer(async (bytes) => {
      if (!up) throw new CodedError('hsm-unavailable', 'the token is away')
      return await key.sign(bytes)
    })
    await happen()
    await sealer.stop()
    expect(await installation.store.auditChain.oldestUnsealed()).toBeUndefined()
    expect(signed).toHaveLength(0)
    up = true
    await sealer.stop()
    expect(signed).toHaveLength(1)
  })
})
