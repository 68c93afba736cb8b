/** The hash chain over the audit trail: what breaks it, and that the first broken row is named. */

import { createHash, generateKeyPairSync, randomUUID, sign, verify } from 'node:crypto'
import { instant } from '@sallyport/clock'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  beforeFirstEntry,
  type ChainEntry,
  type ChainFault,
  type ChainHead,
  ChainVerification,
  canonicalJson,
  chainEntry,
  eventSha256,
  headBytes,
  type SealableEvent,
} from '../src/index.ts'

const seed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)

interface Row {
  entry: ChainEntry
  event: SealableEvent | undefined
}

const eventNumber = (n: number): SealableEvent => ({
  id: randomUUID(),
  type: 'device.offline',
  severity: 'info',
  occurredAt: instant(1_790_000_000_000 + n),
  organizationId: randomUUID(),
  actor: { kind: 'device', id: `device-${n}` },
  address: '192.0.2.1',
  subject: { kind: 'device', id: `device-${n}` },
  outcome: 'succeeded',
  correlationId: randomUUID(),
  details: { gatewayId: 'gateway', associationId: 'abc', sequence: n, reason: 'no-contact' },
})

function chainOf(length: number): Row[] {
  const rows: Row[] = []
  let at: ChainEntry | typeof beforeFirstEntry = beforeFirstEntry
  for (let n = 0; n < length; n += 1) {
    const event = eventNumber(n)
    const entry: ChainEntry = chainEntry(at, event.id, eventSha256(event))
    rows.push({ entry, event })
    at = entry
  }
  return rows
}

function verified(rows: readonly Row[], heads: readonly ChainHead[] = []): ChainFault | undefined {
  const verification = new ChainVerification()
  for (const head of heads) verification.expectHead(head, true)
  for (const { entry, event } of rows) verification.add(entry, event)
  return verification.finish()
}

describe('canonical JSON (RFC 8785)', () => {
  it('writes the example of section 3.2.4', () => {
    const example = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '€$\u000f\nA\'B"\\\\"/',
      literals: [null, true, false],
    }
    expect(canonicalJson(example)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  it('orders names by UTF-16 code units (section 3.2.3)', () => {
    const names = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 }
    expect([...canonicalJson(names).matchAll(/:(\d)/g)].map(([, n]) => n).join('')).toBe('2467153')
  })

  it('does not depend on the order in which a value was put together, and refuses what JSON cannot hold', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse())
        expect(canonicalJson(value as never)).toBe(canonicalJson(reversed as never))
        expect(JSON.parse(canonicalJson(value as never))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
      { seed },
    )
    expect(() => canonicalJson(Number.NaN)).toThrow(RangeError)
  })
})

describe('the hash chain', () => {
  it('has the hashes that the module comment says, computed here by hand', () => {
    const [first, second] = chainOf(2)
    const u64 = (n: number): Buffer => {
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64BE(BigInt(n))
      return bytes
    }
    const link = (n: number, before: Uint8Array, event: Uint8Array): Buffer =>
      createHash('sha256').update('sallyport audit entry 1\0').update(u64(n)).update(before).update(event).digest()
    const firstHash = link(1, new Uint8Array(32), first?.entry.eventSha256 as Uint8Array)
    expect(Buffer.from(first?.entry.sha256 ?? [])).toEqual(firstHash)
    expect(Buffer.from(second?.entry.sha256 ?? [])).toEqual(link(2, firstHash, second?.entry.eventSha256 as Uint8Array))
    const head = { sequence: 2, sha256: second?.entry.sha256 as Uint8Array, signedAt: instant(1_790_000_000_000) }
    expect(Buffer.from(headBytes(head))).toEqual(
      Buffer.concat([Buffer.from('sallyport audit head 1\0'), u64(2), head.sha256, u64(1_790_000_000_000)]),
    )
  })

  it('is good as it was made, from the beginning and from any entry on', () => {
    const rows = chainOf(50)
    expect(verified(rows)).toBeUndefined()
    const from = new ChainVerification(rows[19]?.entry)
    for (const { entry, event } of rows.slice(20)) from.add(entry, event)
    expect(from.finish()).toBeUndefined()
    expect(from.position.sequence).toBe(50)
  })

  it('100 of 100 random single mutations are found, and the first bad row is named', () => {
    const mutations: readonly ((rows: Row[], at: number) => number)[] = [
      (rows, at) => {
        const { event } = rows[at] as Row
        ;(rows[at] as Row).event = { ...(event as SealableEvent), outcome: 'failed' }
        return at + 1
      },
      (rows, at) => {
        const { event } = rows[at] as Row
        ;(rows[at] as Row).event = { ...(event as SealableEvent), occurredAt: instant(1) }
        return at + 1
      },
      (rows, at) => {
        ;(rows[at] as Row).event = undefined
        return at + 1
      },
      (rows, at) => {
        rows.splice(at, 1)
        return at + 2
      },
      (rows, at) => {
        rows.splice(at, 0, rows[at + 1] as Row)
        return at + 2
      },
      (rows, at) => {
        const changed = eventNumber(at)
        rows[at] = {
          entry: { ...(rows[at] as Row).entry, eventId: changed.id, eventSha256: eventSha256(changed) },
          event: changed,
        }
        return at + 1
      },
      (rows, at) => {
        const { entry } = rows[at] as Row
        const sha256 = Uint8Array.from(entry.sha256)
        sha256[at % 32] = (sha256[at % 32] as number) ^ 1
        ;(rows[at] as Row).entry = { ...entry, sha256 }
        return at + 1
      },
    ]
    let found = 0
    const random = fc.sample(fc.tuple(fc.nat(mutations.length - 1), fc.nat(197)), { seed, numRuns: 100 })
    for (const [which, at] of random) {
      const rows = chainOf(200)
      const bad = mutations[which]?.(rows, at)
      const fault = verified(rows)
      expect(fault?.sequence).toBe(bad)
      found += 1
    }
    process.stdout.write(`audit chain: ${found} of 100 mutations found, seed ${seed}\n`)
    expect(found).toBe(100)
  })

  it('who changes an event and computes every hash anew is found by a head that was signed before', () => {
    const rows = chainOf(20)
    const head = { ...(rows[9]?.entry as ChainEntry), signedAt: instant(5) }
    const forged: Row[] = []
    let at: ChainEntry | typeof beforeFirstEntry = beforeFirstEntry
    for (const [index, { event }] of rows.entries()) {
      const told = index === 4 ? { ...(event as SealableEvent), outcome: 'failed' as const } : (event as SealableEvent)
      const entry: ChainEntry = chainEntry(at, told.id, eventSha256(told))
      forged.push({ entry, event: told })
      at = entry
    }
    expect(verified(forged)).toBeUndefined()
    expect(verified(forged, [head])).toEqual({ sequence: 10, reason: 'head-differs' })
  })

  it('an end that was cut off is found by a head beyond it', () => {
    const rows = chainOf(20)
    const head = { ...(rows[19]?.entry as ChainEntry), signedAt: instant(5) }
    expect(verified(rows.slice(0, 15), [head])).toEqual({ sequence: 16, reason: 'end-missing' })
    expect(verified(rows, [head])).toBeUndefined()
  })

  it('a head is signed over its place, its hash and its time', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const head = { ...(chainOf(3)[2]?.entry as ChainEntry), signedAt: instant(5) }
    const signature = sign('sha256', headBytes(head), privateKey)
    const good = (of: ChainHead): boolean => verify('sha256', headBytes(of), publicKey, signature)
    expect(good(head)).toBe(true)
    expect(good({ ...head, sequence: 4 })).toBe(false)
    expect(good({ ...head, signedAt: instant(6) })).toBe(false)
    expect(good({ ...head, sha256: new Uint8Array(32) })).toBe(false)
    const verification = new ChainVerification()
    verification.expectHead(head, false)
    expect(verification.finish()?.reason).toBe('head-signature-wrong')
  })

  it('a reader who may not see an event takes its hash on trust, and still sees a broken link', () => {
    const rows = chainOf(5)
    const verification = new ChainVerification()
    for (const { entry } of rows) verification.add(entry, 'hidden')
    expect(verification.finish()).toBeUndefined()
    const broken = new ChainVerification()
    for (const { entry } of rows.toSpliced(2, 1)) broken.add(entry, 'hidden')
    expect(broken.finish()).toMatchObject({ sequence: 4, reason: 'gap' })
  })
})
