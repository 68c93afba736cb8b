/** `make test` and `make interop`: the checks, then vitest, then one line that counts. */

import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { reportAcceptance } from './acceptance.ts'
import { check } from './check.ts'
import { checkoutRoot } from './home.ts'
import { readTestResults, resultsFile } from './test-results.ts'

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

/** Runs the projects; true when there was a test and none failed. */
export async function runVitest(projects: readonly string[], write: (text: string) => void): Promise<boolean> {
  mkdirSync(join(checkoutRoot, '.dev'), { recursive: true })
  rmSync(resultsFile, { force: true })
  const code = await new Promise<number>((resolve) => {
    const child = spawn(
      join(checkoutRoot, 'node_modules', '.bin', 'vitest'),
      [
        'run',
        ...projects.flatMap((project) => ['--project', project]),
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${resultsFile}`,
      ],
      { cwd: checkoutRoot, stdio: ['ignore', 'inherit', 'inherit'] },
    )
    child.once('error', () => resolve(127))
    child.once('close', (code) => resolve(code ?? 137))
  })
  const results = readTestResults()
  const passed = results.filter(({ state }) => state === 'passed').length
  const failed = results.filter(({ state }) => state === 'failed').length
  write(`\n${passed} passed, ${failed} failed\n`)
  return code === 0 && failed === 0 && passed > 0
}
