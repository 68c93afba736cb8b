import { acceptanceReport } from '@sallyport/development'
import { describe, expect, it } from 'vitest'

const checks = { '4.1': 'manufacturer PKI', '4.2': 'custom CA' }
const report = (results: { name: string; state: 'passed' | 'failed' | 'skipped' }[], partial = {}) =>
  acceptanceReport({ checks, partial, results }).map(({ state }) => state)

describe('the acceptance report', () => {
  it('counts a number as passed when its tests passed', () => {
    expect(report([{ name: 'certs [4.1] makes a root', state: 'passed' }])).toEqual(['pass', 'open'])
  })
  it('takes several numbers from one name', () => {
    expect(report([{ name: '[4.1] [4.2] makes a root', state: 'passed' }])).toEqual(['pass', 'pass'])
  })
  it('fails a number when one of its tests failed', () => {
    const results = [
      { name: '[4.1] a', state: 'passed' as const },
      { name: '[4.1] b', state: 'failed' as const },
    ]
    expect(report(results)).toEqual(['FAILED', 'open'])
  })
  it('does not count a skipped test', () => {
    expect(report([{ name: '[4.1] a', state: 'skipped' }])).toEqual(['open', 'open'])
  })
  it('says partial while a claim is not shown', () => {
    expect(report([{ name: '[4.1] a', state: 'passed' }], { '4.1': 'batch by CSV' })).toEqual(['partial', 'open'])
  })
})
