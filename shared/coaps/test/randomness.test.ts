/**
 * Randoms, connection IDs and what else we draw, over many draws: GnuTLS once sent 28 bytes of zeros for months
 * (CVE-2020-11501), and no handshake failed for it. The figures are bounds that chance passes once in 10^9 runs.
 */

import { describe, expect, it } from 'vitest'
import { answerWithNodeCrypto } from '../src/dtls-answers.ts'

const draws = 4000

function drawn(pick: (answer: ReturnType<typeof draw>) => Uint8Array): Buffer[] {
  return Array.from({ length: draws }, () => Buffer.from(pick(draw())))
}

function draw() {
  const answer = answerWithNodeCrypto({ kind: 'makeKeyShare', group: 'x25519' }, undefined)
  if (answer.kind !== 'makeKeyShare') throw new Error(answer.kind)
  return answer
}

/** Every bit of every byte is set in half of the draws, give or take 6.2 standard deviations; no draw comes twice. */
function expectRandom(values: readonly Buffer[]): void {
  expect(new Set(values.map((value) => value.toString('hex'))).size).toBe(values.length)
  const length = values[0]?.length ?? 0
  const tolerance = 6.2 * Math.sqrt(values.length / 4)
  for (let at = 0; at < length; at += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const set = values.filter((value) => ((value[at] ?? 0) >> bit) % 2 === 1).length
      expect(Math.abs(set - values.length / 2), `bit ${bit} of byte ${at}`).toBeLessThan(tolerance)
    }
    // A byte that follows from its neighbour would be as balanced: equal neighbours are one in 256.
    const equal = values.filter((value) => at > 0 && value[at] === value[at - 1]).length
    expect(equal, `byte ${at} and the one before`).toBeLessThan(
      values.length / 256 + 6.2 * Math.sqrt(values.length / 256),
    )
  }
}

describe('CVE-2020-11501 (GnuTLS): what must be random', () => {
  it('all 32 bytes of a server random are, the first four too: they tell no time (RFC 7925 section 12)', () => {
    expectRandom(drawn(({ random }) => random))
  })

  it('connection IDs are, behind the shard', () => {
    expectRandom(drawn(({ connectionId }) => connectionId))
  })

  it('key shares are, and none is used twice', () => {
    expectRandom(drawn(({ keyShare }) => keyShare.publicKey).map((key) => key.subarray(1, 31)))
  })

  it('the assertion itself sees zeros, a counter, and bytes repeated', () => {
    const zeros = Array.from({ length: draws }, (_, n) => Buffer.concat([Buffer.of(n >> 8, n), Buffer.alloc(28)]))
    expect(() => expectRandom(zeros)).toThrow()
    const repeated = drawn(({ random }) => random).map((value) =>
      Buffer.from(value.map((_, at) => value[at & ~1] ?? 0)),
    )
    expect(() => expectRandom(repeated)).toThrow()
    expect(() => expectRandom([Buffer.alloc(8), Buffer.alloc(8)])).toThrow()
  })
})
