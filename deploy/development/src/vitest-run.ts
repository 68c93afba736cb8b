/** One run of vitest over some of its projects, with a report on disk and one closing line that counts. */

import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { checkoutRoot } from './home.ts'
import { readTestResults, resultsFile } from './test-results.ts'

/** Runs the projects, or of them the files whose paths hold one of `files`; true when there was a test and none failed. */
export async function runVitest(
  projects: readonly string[],
  write: (text: string) => void,
  files: readonly string[] = [],
): Promise<boolean> {
  mkdirSync(join(checkoutRoot, '.dev'), { recursive: true })
  rmSync(resultsFile, { force: true })
  const code = await new Promise<number>((resolve) => {
    const child = spawn(
      join(checkoutRoot, 'node_modules', '.bin', 'vitest'),
      [
        'run',
        ...files,
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
