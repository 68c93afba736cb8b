/** Abbreviated handshakes over a network that loses, delays, doubles and cuts, from printed seeds. */

import { beforeAll, describe, expect, it, vi } from 'vitest'
import { type Faults, type Run, type RunResult, runHandshake } from './harness/bad-network.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'

const firstSeed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)
const none: Faults = { drop: 0, duplicate: 0, delay: 0, truncate: 0 }

// The time is virtual, but each handshake computes: hundreds of them need seconds of a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let server: TestIdentity
let client: TestIdentity

beforeAll(() => {
  server = makeIdentity('P-256', 'server')
  client = makeIdentity('P-256', 'client')
})

function runMany(name: string, count: number, run: Partial<Run> & Pick<Run, 'faults' | 'limit'>): RunResult[] {
  const results = Array.from({ length: count }, (_, n) =>
    runHandshake({ server, client, resumes: true, ...run, seed: firstSeed + n }),
  )
  const connected = results.filter(({ connectedAfter }) => connectedAfter !== undefined).length
  process.stdout.write(`${name}: seeds ${firstSeed}..${firstSeed + count - 1}, ${connected} of ${count} resumed\n`)
  return results
}

const shareOf = (results: readonly RunResult[], has: (result: RunResult) => boolean): number =>
  results.filter(has).length / results.length

describe('an abbreviated handshake between our client and our server', () => {
  it('needs four flights on a good network, the last of them ours', () => {
    const [result] = runMany('good network', 1, { faults: none, limit: 1000 })
    expect(result).toMatchObject({ connectedAfter: 40, resumed: true, echoed: true, datagrams: 7 })
  })

  it('loss: 20 % of datagrams lost each way, at least 98 of 100 resume within 30 s, and data comes through', () => {
    const results = runMany('loss 20 %', 200, { faults: { ...none, drop: 0.2 }, limit: 30_000 })
    expect(shareOf(results, ({ resumed }) => resumed)).toBeGreaterThanOrEqual(0.98)
    expect(shareOf(results, ({ echoed }) => echoed)).toBeGreaterThanOrEqual(0.98)
  })

  it('loss, delay, duplicates and truncation of 20 % each: at least 95 of 100 within 30 s', () => {
    const faults = { drop: 0.2, duplicate: 0.2, delay: 0.2, truncate: 0.2 }
    const results = runMany('all faults 20 %', 200, { faults, limit: 30_000 })
    expect(shareOf(results, ({ resumed }) => resumed)).toBeGreaterThanOrEqual(0.95)
    expect(shareOf(results, ({ echoed }) => echoed)).toBeGreaterThanOrEqual(0.95)
  })

  it('duplicates: every datagram twice and late changes nothing', () => {
    const results = runMany('all twice', 50, { faults: { ...none, duplicate: 1, delay: 0.5 }, limit: 30_000 })
    expect(shareOf(results, ({ resumed, echoed }) => resumed && echoed)).toBe(1)
  })

  for (const mtu of [256, 300, 508]) {
    it(`MTU ${mtu}: a ticket makes the hello longer than a datagram; it comes in pieces, and all resume`, () => {
      const results = runMany(`MTU ${mtu}`, 20, { faults: { ...none, delay: 0.3 }, limit: 60_000, mtu })
      expect(shareOf(results, ({ resumed, echoed }) => resumed && echoed)).toBe(1)
      expect(Math.max(...results.map(({ largestDatagram }) => largestDatagram))).toBeLessThanOrEqual(mtu)
    })
  }

  it('with connection IDs, agreed on anew', () => {
    const faults = { drop: 0.1, duplicate: 0.2, delay: 0.3, truncate: 0 }
    const results = runMany('with CIDs', 50, { faults, limit: 30_000, connectionId: new Uint8Array(0) })
    expect(shareOf(results, ({ resumed, echoed }) => resumed && echoed)).toBeGreaterThanOrEqual(0.96)
  })
})
