/**
 * Handshakes over a network that loses, delays, doubles and cuts, from printed seeds. A failure is run again with
 * SALLYPORT_TEST_SEED.
 */

import { beforeAll, describe, expect, it, vi } from 'vitest'
import { type Faults, type Run, type RunResult, runHandshake } from './harness/bad-network.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'

const firstSeed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)
const none: Faults = { drop: 0, duplicate: 0, delay: 0, truncate: 0 }

// The time is virtual, but each handshake computes: hundreds of them need seconds of a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let server: TestIdentity
let client: TestIdentity
/** A leaf with a long chain behind it, so that flights need several datagrams. */
let bigClient: TestIdentity
let bigServer: TestIdentity

beforeAll(() => {
  server = makeIdentity('P-256', 'server')
  client = makeIdentity('P-384', 'client')
  const ballast = makeIdentity('RSA', 'a certificate authority with an RSA key').chain
  bigServer = { ...server, chain: [...server.chain, ...ballast, ...ballast] }
  bigClient = { ...client, chain: [...client.chain, ...ballast, ...ballast] }
})

function runMany(count: number, run: Omit<Run, 'seed' | 'server' | 'client'> & Partial<Run>): RunResult[] {
  return Array.from({ length: count }, (_, n) => runHandshake({ server, client, ...run, seed: firstSeed + n }))
}

function report(name: string, results: readonly RunResult[]): { share: number; echoed: boolean } {
  const times = results
    .flatMap(({ connectedAfter }) => (connectedAfter === undefined ? [] : [connectedAfter]))
    .sort((a, b) => a - b)
  const share = times.length / results.length
  const at = (quantile: number): string =>
    `${Math.round(times[Math.floor(quantile * (times.length - 1))] ?? Number.NaN)} ms`
  process.stdout.write(
    `${name}: seeds ${firstSeed}..${firstSeed + results.length - 1}, ${(100 * share).toFixed(1)} % connected, ` +
      `p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}\n`,
  )
  return { share, echoed: results.every((result) => result.connectedAfter === undefined || result.echoed) }
}

describe('a handshake between our client and our server (RFC 6347 section 4.2.4)', () => {
  it('needs six flights on a good network', () => {
    const [result] = runMany(1, { faults: none, limit: 1000 })
    expect(result).toMatchObject({ connectedAfter: 60, echoed: true })
  })

  it('loss: 20 % of datagrams lost each way, at least 98 of 100 within 30 s', () => {
    const { share, echoed } = report('loss 20 %', runMany(200, { faults: { ...none, drop: 0.2 }, limit: 30_000 }))
    expect(share).toBeGreaterThanOrEqual(0.98)
    expect(echoed).toBe(true)
  })

  it('loss, delay and duplicates of 20 % each: at least 98 of 100 within 30 s', () => {
    const faults = { drop: 0.2, duplicate: 0.2, delay: 0.2, truncate: 0 }
    const { share, echoed } = report('loss, delay, duplicates 20 %', runMany(500, { faults, limit: 30_000 }))
    expect(share).toBeGreaterThanOrEqual(0.98)
    expect(echoed).toBe(true)
  })

  it('loss of 30 % each way: at least 95 of 100 within 60 s', () => {
    const { share } = report('loss 30 %', runMany(300, { faults: { ...none, drop: 0.3 }, limit: 60_000 }))
    expect(share).toBeGreaterThanOrEqual(0.95)
  })

  it('loss of 50 % each way: at least 55 of 100 within 60 s', () => {
    const { share } = report('loss 50 %', runMany(300, { faults: { ...none, drop: 0.5 }, limit: 60_000 }))
    expect(share).toBeGreaterThanOrEqual(0.55)
  })

  it('duplicates: every datagram twice and late changes nothing but the number of datagrams', () => {
    const results = runMany(50, { faults: { ...none, duplicate: 1, delay: 0.5 }, limit: 30_000 })
    const { share, echoed } = report('all twice', results)
    expect(share).toBe(1)
    expect(echoed).toBe(true)
  })

  it('truncation: a fifth of the datagrams cut anywhere costs no more than losing them', () => {
    const { share, echoed } = report('cut', runMany(100, { faults: { ...none, truncate: 0.2 }, limit: 30_000 }))
    expect(share).toBeGreaterThanOrEqual(0.98)
    expect(echoed).toBe(true)
  })

  for (const suite of ['TLS_PSK_WITH_AES_128_CCM_8', 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256'] as const) {
    it(`with a pre-shared key (${suite}): loss, delay, duplicates of 20 % each, a tenth cut, both roles`, () => {
      const faults = { drop: 0.2, duplicate: 0.2, delay: 0.2, truncate: 0.1 }
      const psk = { identity: 'a lamp', key: Uint8Array.from({ length: 16 }, (_, n) => n), cipherSuites: [suite] }
      const { share, echoed } = report(suite, runMany(300, { psk, faults, limit: 30_000 }))
      expect(share).toBeGreaterThanOrEqual(0.98)
      expect(echoed).toBe(true)
    })
  }

  for (const mtu of [228, 256, 508]) {
    it(`MTU ${mtu} (RFC 6347 section 4.1.1): long chains both ways are fragmented, no datagram is larger, and all connect`, () => {
      const big = { server: bigServer, client: bigClient, mtu }
      const results = runMany(20, { ...big, faults: { ...none, delay: 0.3 }, limit: 60_000 })
      const { share, echoed } = report(`MTU ${mtu}`, results)
      expect(share).toBe(1)
      expect(echoed).toBe(true)
      expect(Math.max(...results.map((result) => result.largestDatagram))).toBeLessThanOrEqual(mtu)
      expect(results[0]?.datagrams).toBeGreaterThan(12)
    })
  }
})
