/** `make test` and `make interop`: the checks, then vitest, then one line that counts. */

import { reportAcceptance } from './acceptance.ts'
import { check } from './check.ts'
import { runVitest } from './vitest-run.ts'

export interface TestOptions {
  readonly write: (text: string) => void
}

/** True when every check and every test passed. */
export async function test({ write }: TestOptions): Promise<boolean> {
  const checked = await check(write)
  const tested = await runVitest(['unit', 'integration', 'end-to-end', 'interop'], write)
  const kept = reportAcceptance({ write, brief: true })
  return checked && tested && kept
}

/** The foreign peers alone. */
export function interop({ write }: TestOptions): Promise<boolean> {
  return runVitest(['interop'], write)
}
