/** `make check`: types, lint and format, layers, generated docs. Everything is run, then said, so that one pass shows all. */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { staleConformance } from './conformance.ts'
import { staleDocs } from './generated-docs.ts'
import { checkoutRoot } from './home.ts'
import { checkLayers } from './layers.ts'

interface CheckResult {
  readonly name: string
  readonly passed: boolean
  readonly said: string
}

/** True when all passed. */
export async function check(write: (text: string) => void): Promise<boolean> {
  const results = await Promise.all([
    command('types', 'tsc', ['--noEmit']),
    command('lint and format', 'biome', ['check', '--error-on-warnings', '.']),
    layers(),
    docs(),
  ])
  for (const { name, passed, said } of results) {
    write(`  ${name.padEnd(16)} ${passed ? 'ok' : 'FAILED'}${passed && said !== '' ? ` (${said})` : ''}\n`)
    if (!passed) write(`${said.trimEnd()}\n`)
  }
  return results.every(({ passed }) => passed)
}

function command(name: string, program: string, args: readonly string[]): Promise<CheckResult> {
  return new Promise((resolve) => {
    const child = spawn(join(checkoutRoot, 'node_modules', '.bin', program), args, {
      cwd: checkoutRoot,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const take = (chunk: Buffer) => {
      output += chunk.toString('utf8')
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('error', (error) => resolve({ name, passed: false, said: error.message }))
    child.once('close', (code) => resolve({ name, passed: code === 0, said: code === 0 ? '' : output }))
  })
}

async function layers(): Promise<CheckResult> {
  const report = checkLayers(checkoutRoot)
  const passed = report.violations.length === 0 && report.filesSeen > 0
  return { name: 'layers', passed, said: passed ? `${report.filesSeen} files` : report.violations.join('\n') }
}

async function docs(): Promise<CheckResult> {
  const stale = await staleDocs()
  const newer = staleConformance()
  if (stale.length === 0 && newer.length > 0) {
    // Said, not refused: results come from a whole run, and the page says "not run" of what is newer than that.
    return {
      name: 'generated docs',
      passed: true,
      said: `make docs would add to docs/conformance.md: ${newer.join(', ')}`,
    }
  }
  return {
    name: 'generated docs',
    passed: stale.length === 0,
    said: stale.map((path) => `${path} is not what the code says: run make docs and commit it`).join('\n'),
  }
}
