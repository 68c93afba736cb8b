import { describe, expect, it } from 'vitest'
import { fateOf, goodNetwork, randomFrom } from './network-faults.ts'
import { fewestSuccesses } from './success-rate.ts'

const fates = (faults: Partial<typeof goodNetwork>, count: number, length = 1000) => {
  const random = randomFrom(7)
  return Array.from({ length: count }, () => fateOf({ ...goodNetwork, ...faults }, random, length))
}

describe('the fate of a datagram', () => {
  it('a good network delivers each datagram once, whole and at once', () => {
    expect(fates({}, 100).every((fate) => fate.length === 1 && fate[0]?.after === 0 && fate[0].length === 1000)).toBe(
      true,
    )
  })

  it('the same seed gives the same fates', () => {
    const faults = { drop: 0.2, duplicate: 0.2, delay: 0.2, truncate: 0.2 }
    expect(fates(faults, 500)).toEqual(fates(faults, 500))
  })

  it('each rate is kept within four standard deviations of 10 000 datagrams', () => {
    const near = (seen: number) => expect(Math.abs(seen / 10_000 - 0.2)).toBeLessThan(0.016)
    near(fates({ drop: 0.2 }, 10_000).filter((fate) => fate.length === 0).length)
    near(fates({ duplicate: 0.2 }, 10_000).filter((fate) => fate.length === 2).length)
    near(fates({ delay: 0.2 }, 10_000).filter(([first]) => (first?.after ?? 0) > 0).length)
    near(fates({ truncate: 0.2 }, 10_000).filter(([first]) => (first?.length ?? 0) < 1000).length)
  })

  it('a rate of one leaves no datagram out', () => {
    expect(fates({ drop: 1 }, 100).flat()).toEqual([])
    expect(fates({ duplicate: 1 }, 100).flat()).toHaveLength(200)
  })

  it('a delay is never longer than the longest, and delayed datagrams are overtaken', () => {
    const delays = fates({ delay: 0.5, maxDelay: 300 }, 1000).map(([first]) => first?.after ?? 0)
    expect(Math.max(...delays)).toBeLessThanOrEqual(300)
    expect(delays.some((delay, index) => delay > (delays[index + 1] ?? 0))).toBe(true)
  })

  it('a datagram of the MTU passes and one byte more is lost', () => {
    expect(fates({ mtu: 508 }, 1, 508)).toEqual([[{ after: 0, length: 508 }]])
    expect(fates({ mtu: 508 }, 1, 509)).toEqual([[]])
  })
})

describe('the fewest successes that still fit a promised rate', () => {
  it('is all of them for a promise of all', () => {
    expect(fewestSuccesses(20, 1)).toBe(20)
  })

  it('comes near the promise as the number of trials grows', () => {
    expect(fewestSuccesses(20, 0.98)).toBe(17)
    expect(fewestSuccesses(500, 0.98)).toBe(479)
  })

  it('grows with the promise', () => {
    expect(fewestSuccesses(20, 0.55)).toBeLessThan(fewestSuccesses(20, 0.95))
  })
})
