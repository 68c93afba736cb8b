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

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

/** Empty when there was no run. */
export function readTestResults(): LocatedResult[] {
  if (!existsSync(resultsFile)) return []
  const report = JSON.parse(readFileSync(resultsFile, 'utf8')) as VitestReport
  return report.testResults.flatMap(({ name: file, assertionResults }) =>
    assertionResults.map(({ fullName, status }) => ({
      file,
      name: fullName.trim(),
      state: status === 'passed' || status === 'failed' ? status : 'skipped',
    })),
  )
}
