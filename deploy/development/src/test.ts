/** `make test`, `make interop` and `make soak`: the checks, then vitest, then one line that counts. */

import { reportAcceptance } from './acceptance.ts'
import { check } from './check.ts'
import { keepConformanceResults } from './conformance.ts'
import { forgetInterop, printInterop } from './interop-table.ts'
import { readTestResults } from './test-results.ts'
import { runVitest } from './vitest-run.ts'

export interface TestOptions {
  readonly write: (text: string) => void
}

/** True when every check and every test passed. */
export async function test({ write }: TestOptions): Promise<boolean> {
  const checked = await check(write)
  forgetInterop()
  const tested = await runVitest(['unit', 'integration', 'end-to-end', 'interop', 'faults'], write)
  printInterop(write)
  // What a run in CI finds is not for a checkout that nobody commits.
  if (process.env.CI === undefined) keepConformanceResults(readTestResults())
  const kept = reportAcceptance({ write, brief: true })
  return checked && tested && kept
}

/** The foreign peers alone, and their table. */
export async function interop({ write }: TestOptions): Promise<boolean> {
  forgetInterop()
  const tested = await runVitest(['interop'], write)
  printInterop(write)
  return tested
}

/** The faults and the mutations in their long form: figures for docs/reliability.md. */
export function soak({ write }: TestOptions): Promise<boolean> {
  process.env.SALLYPORT_SOAK = '1'
  process.env.SALLYPORT_TEST_MUTATIONS ??= '10000000'
  return runVitest(['faults', 'unit'], write, ['tests/faults/', 'shared/dtls/test/mutated-datagrams'])
}
