/** What the last test run found, from vitest's JSON report. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkoutRoot } from './home.ts'

export const resultsFile = join(checkoutRoot, '.dev', 'test-results.json')

export interface TestResult {
  readonly name: string
  readonly state: 'passed' | 'failed' | 'skipped'
}

interface VitestReport {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

/** Empty when there was no run. */
export function readTestResults(): TestResult[] {
  if (!existsSync(resultsFile)) return []
  const report = JSON.parse(readFileSync(resultsFile, 'utf8')) as VitestReport
  return report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.map(({ fullName, status }) => ({
      name: fullName.trim(),
      state: status === 'passed' || status === 'failed' ? status : 'skipped',
    })),
  )
}
