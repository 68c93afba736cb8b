import { describe, expect, it } from 'vitest'
import { resultsIn } from '../src/test-results.ts'

const report = (status: string, ...states: readonly string[]) => ({
  testResults: [
    {
      name: 'a.test.ts',
      status,
      assertionResults: states.map((state, index) => ({ fullName: ` test ${index} `, status: state })),
    },
  ],
})
const statesOf = (status: string, ...states: readonly string[]) =>
  resultsIn(report(status, ...states)).map(({ state }) => state)

describe('the results of a test run', () => {
  it('are passed, failed or skipped, each with its name', () => {
    expect(resultsIn(report('passed', 'passed', 'pending'))).toEqual([
      { file: 'a.test.ts', name: 'test 0', state: 'passed' },
      { file: 'a.test.ts', name: 'test 1', state: 'skipped' },
    ])
  })

  it('of a file whose set-up failed are failed, not skipped', () => {
    expect(statesOf('failed', 'skipped', 'skipped')).toEqual(['failed', 'failed'])
    expect(statesOf('failed', 'failed', 'skipped')).toEqual(['failed', 'skipped'])
  })
})
