/** What the last test run found, from vitest's JSON report. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkoutRoot } from './home.ts'

export const resultsFile = join(checkoutRoot, '.dev', 'test-results.json')

export interface TestResult {
  readonly name: string
  readonly state: 'passed' | 'failed' | 'skipped'
}

export interface LocatedResult extends TestResult {
  /** Its path. */
  readonly file: string
}

export interface VitestReport {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

/** Empty when there was no run. */
export function readTestResults(): LocatedResult[] {
  if (!existsSync(resultsFile)) return []
  return resultsIn(JSON.parse(readFileSync(resultsFile, 'utf8')) as VitestReport)
}

/** The tests of a file whose set-up failed have failed with it, though Vitest calls them skipped. */
export function resultsIn(report: VitestReport): LocatedResult[] {
  return report.testResults.flatMap(({ name: file, status: ofFile, assertionResults }) => {
    const failedInSetUp = ofFile === 'failed' && assertionResults.every(({ status }) => status !== 'failed')
    return assertionResults.map(({ fullName, status }) => ({
      file,
      name: fullName.trim(),
      state: failedInSetUp ? 'failed' : status === 'passed' || status === 'failed' ? status : 'skipped',
    }))
  })
}
