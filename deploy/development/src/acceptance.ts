/**
 * The numbered checks of the mission: which tests show each, and whether all of its claims are shown.
 *
 * A number is `pass` when tests carry it and all passed, `partial` when, besides, tests/acceptance-partial.json says what is
 * not shown yet, `FAILED` when a test that carries it failed, `open` when none carries it. A number that was shown once
 * (tests/acceptance-shown.json) and is not any more fails the run.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkoutRoot } from './home.ts'
import { readTestResults, type TestResult } from './test-results.ts'
import { runVitest } from './vitest-run.ts'

export type CheckState = 'pass' | 'partial' | 'FAILED' | 'open'

export interface CheckReport {
  readonly number: string
  readonly title: string
  readonly state: CheckState
  readonly tests: readonly TestResult[]
  /** What is not shown yet. */
  readonly missing?: string
}

export interface AcceptanceInput {
  /** Number → its title, for all checks there are. */
  readonly checks: Readonly<Record<string, string>>
  /** Number → what is not shown yet. */
  readonly partial: Readonly<Record<string, string>>
  readonly results: readonly TestResult[]
}

export function acceptanceReport({ checks, partial, results }: AcceptanceInput): CheckReport[] {
  return Object.entries(checks).map(([number, title]) => {
    const tests = results.filter(({ name }) => numbersIn(name).includes(number))
    const missing = partial[number]
    return { number, title, tests, state: stateOf(tests, missing), ...(missing === undefined ? {} : { missing }) }
  })
}

function stateOf(tests: readonly TestResult[], missing: string | undefined): CheckState {
  if (tests.some(({ state }) => state === 'failed')) return 'FAILED'
  if (!tests.some(({ state }) => state === 'passed')) return 'open'
  return missing === undefined ? 'pass' : 'partial'
}

const numbersIn = (name: string): string[] => [...name.matchAll(/\[(\d\.\d+)\]/g)].map((match) => match[1] ?? '')

const file = (name: string): string => join(checkoutRoot, 'tests', name)
const readJson = <T>(name: string, absent: T): T =>
  existsSync(file(name)) ? (JSON.parse(readFileSync(file(name), 'utf8')) as T) : absent

/** `make acceptance`: runs every test, then prints the whole table. */
export async function acceptance({ write }: { readonly write: (text: string) => void }): Promise<boolean> {
  const tested = await runVitest(['unit', 'integration', 'end-to-end', 'interop', 'faults'], write)
  return reportAcceptance({ write, brief: false }) && tested
}

/** Prints the table, or its sums; false when a number that an earlier run had is lost or failed. */
export function reportAcceptance(o: { readonly write: (text: string) => void; readonly brief: boolean }): boolean {
  const report = acceptanceReport({
    checks: readJson<Record<string, string>>('acceptance-checks.json', {}),
    partial: readJson<Record<string, string>>('acceptance-partial.json', {}),
    results: readTestResults(),
  })
  if (!o.brief) for (const check of report) printCheck(check, o.write)
  const count = (state: CheckState) => report.filter((check) => check.state === state).length
  o.write(
    `acceptance: ${count('pass')} pass, ${count('partial')} partial, ${count('FAILED')} failed, ${count('open')} open of ${report.length}\n`,
  )
  const shown = report.filter(({ state }) => state === 'pass' || state === 'partial').map(({ number }) => number)
  const before = readJson<string[]>('acceptance-shown.json', [])
  const lost = before.filter((number) => !shown.includes(number))
  if (lost.length > 0) {
    o.write(`acceptance: shown before and not any more: ${lost.join(', ')}\n`)
    return false
  }
  if (shown.length > before.length) {
    if (process.env.CI === undefined) writeFileSync(file('acceptance-shown.json'), `${JSON.stringify(shown)}\n`)
    o.write(
      `acceptance: new: ${shown.filter((number) => !before.includes(number)).join(', ')} (tests/acceptance-shown.json)\n`,
    )
  }
  return true
}

function printCheck(check: CheckReport, write: (text: string) => void): void {
  write(`${check.number.padEnd(5)} ${check.state.padEnd(8)} ${check.title}\n`)
  for (const { name, state } of check.tests) write(`        ${state === 'passed' ? '+' : '-'} ${name}\n`)
  if (check.missing !== undefined) write(`        not shown yet: ${check.missing}\n`)
}
