/**
 * Our two roles over networks of every kind at once: loss, reordering, duplicates and truncation together, paths of 228 to
 * 1400 bytes, limits of records, connection IDs, each from a printed seed. SALLYPORT_TEST_SEED runs a failure again.
 */

import { beforeAll, expect, it, vi } from 'vitest'
import { type Faults, type Run, randomFrom, runHandshake } from './harness/bad-network.ts'
import { makeIdentity, type TestIdentity } from './harness/identity.ts'

const firstSeed = Number(process.env.SALLYPORT_TEST_SEED ?? 20_261_121)
const runs = 150

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let small: TestIdentity
/** A leaf with a long chain behind it, so that flights need several datagrams on any path. */
let big: TestIdentity

beforeAll(() => {
  small = makeIdentity('P-256', 'small')
  const ballast = makeIdentity('RSA', 'an authority with an RSA key').chain
  const leaf = makeIdentity('P-384', 'big')
  big = { ...leaf, chain: [...leaf.chain, ...ballast, ...ballast] }
})

/** The network and the two sides of a seed. */
function circumstances(seed: number): Run {
  const random = randomFrom(seed)
  const upTo = (most: number): number => random() * most
  const oneOf = <Choice>(choices: readonly Choice[]): Choice => choices[Math.floor(upTo(choices.length))] as Choice
  const faults: Faults = { drop: upTo(0.2), duplicate: upTo(0.3), delay: upTo(0.5), truncate: upTo(0.1) }
  const mtu = oneOf([228, 256, 300, 508, 1200, 1400, 228 + Math.floor(upTo(1172))])
  const recordSizes = oneOf([
    {},
    {},
    { maxFragmentLength: 512 },
    { maxFragmentLength: 1024 },
    { recordSizeLimit: 64 },
    { recordSizeLimit: 64 + Math.floor(upTo(1000)) },
  ] as const)
  const connectionId = oneOf([undefined, new Uint8Array(0), Uint8Array.of(1, 2, 3)])
  const server = oneOf([small, big])
  const client = oneOf([small, big])
  const common = { seed, faults, mtu, recordSizes, server, client, talk: 6, limit: 60_000 }
  return connectionId === undefined ? common : { ...common, connectionId }
}

it(`whatever the network does, who connects hears only what was said, and once (seeds ${firstSeed} to ${firstSeed + runs - 1})`, () => {
  let connected = 0
  const heard = { server: 0, client: 0 }
  for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
    const run = circumstances(seed)
    const result = runHandshake(run)
    const what = `seed ${seed}, ${run.mtu} bytes, ${JSON.stringify(run.recordSizes)}`
    if (result.connectedAfter === undefined) continue
    connected += 1
    expect(result.echoed, what).toBe(true)
    for (const [side, other] of [
      ['server', 'client'],
      ['client', 'server'],
    ] as const) {
      expect(new Set(result.heard[side]).size, what).toBe(result.heard[side].length)
      for (const text of result.heard[side]) expect(result.said[other], what).toContain(text)
      heard[side] += result.heard[side].length
    }
  }
  process.stdout.write(
    `networks of every kind: seeds ${firstSeed}..${firstSeed + runs - 1}, ${connected} of ${runs} connected, ` +
      `${heard.server} messages heard by the server, ${heard.client} by the client\n`,
  )
  expect(connected / runs).toBeGreaterThanOrEqual(0.9)
})

it(`on a network without faults all connect and all is heard, at every width of the path (seeds ${firstSeed} to ${firstSeed + 39})`, () => {
  for (let n = 0; n < 40; n += 1) {
    const faults = { drop: 0, duplicate: 0, delay: 0, truncate: 0 }
    const mtu = 228 + Math.round((1172 * n) / 39)
    const run = { ...circumstances(firstSeed + n), faults, mtu, talk: 0 }
    const result = runHandshake(run)
    expect({ mtu, ...result }).toMatchObject({ mtu, echoed: true })
    expect(result.largestDatagram).toBeLessThanOrEqual(mtu)
    const talk = runHandshake({ ...run, talk: 4 })
    expect(talk.heard.client).toEqual(talk.said.server)
    expect(talk.heard.server).toEqual(talk.said.client)
    expect(talk.said.client).toHaveLength(4)
  }
})
