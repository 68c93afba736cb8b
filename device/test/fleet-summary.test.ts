import { instant, milliseconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { FleetTally, phaseSummary, summaryLines } from '../src/fleet-summary.ts'

const at = (seconds: number) => instant(seconds * 1000)

describe('the summary of a fleet', () => {
  it('has nearest-rank percentiles', () => {
    const times = Array.from({ length: 200 }, (_, index) => milliseconds(index + 1))
    expect(phaseSummary(times)).toEqual({ count: 200, p50: 100, p99: 198, max: 200 })
    expect(phaseSummary([milliseconds(7)])).toEqual({ count: 1, p50: 7, p99: 7, max: 7 })
    expect(phaseSummary([])).toEqual({ count: 0, p50: 0, p99: 0, max: 0 })
  })

  it('counts rates up to the last of a phase, and failures by reason', () => {
    const tally = new FleetTally(4, at(100))
    tally.done('provision', 'a', milliseconds(500), at(101))
    tally.done('provision', 'b', milliseconds(700), at(102))
    tally.done('sign-in', 'a', milliseconds(50), at(104))
    tally.done('sign-in', 'a', milliseconds(70), at(109))
    tally.failed('connect unknown_ca', 'coaps://127.0.0.1:1: …')
    tally.failed('connect unknown_ca', 'coaps://127.0.0.1:1: …')
    const summary = tally.summary(at(110), { rssBytes: 104_857_600, heapBytes: 52_428_800 })
    expect(summary).toMatchObject({
      devices: 4,
      provisioned: 2,
      provisionedPerSecond: 1,
      signedInPerSecond: 0.3,
      failed: 2,
      seconds: 10,
      failures: [{ reason: 'connect unknown_ca', count: 2 }],
    })
    expect(summaryLines(summary).join('\n')).toContain('failed: 2 × connect unknown_ca')
  })
})
