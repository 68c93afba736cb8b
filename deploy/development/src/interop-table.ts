/**
 * The table of foreign peers: tests note what each peer was served or why it was refused, in a file beside the test results,
 * and the run prints all of it once at its end.
 */

import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { checkoutRoot } from './home.ts'

export interface InteropRow {
  /** As its makers call it. */
  readonly peer: string
  readonly version: string
  readonly role: 'client' | 'server'
  /** IANA's name; what the peer offers, where it was refused. */
  readonly suite: string
  /** What authenticates the client: the kind of its certificate's key, `PSK`, or `none`. */
  readonly credential: string
  /** What of ours it met and how it went: one cell of `result`. */
  readonly met: string
  readonly result: string
}

const rowsFile = join(checkoutRoot, '.dev', 'interop-rows.jsonl')

/** Called by tests, from several processes. */
export function noteInterop(row: InteropRow): void {
  mkdirSync(join(checkoutRoot, '.dev'), { recursive: true })
  appendFileSync(rowsFile, `${JSON.stringify(row)}\n`)
}

export function forgetInterop(): void {
  rmSync(rowsFile, { force: true })
}

export function printInterop(write: (text: string) => void): void {
  const rows = existsSync(rowsFile) ? readFileSync(rowsFile, 'utf8').trim().split('\n') : []
  if (rows.length > 0) write(`\n${interopTable(rows.map((line) => JSON.parse(line) as InteropRow))}\n`)
}

/** One line for each peer, suite and credential: what served it first, then its refusals. */
export function interopTable(rows: readonly InteropRow[]): string {
  const groups = new Map<string, { readonly cells: readonly string[]; readonly results: Set<string> }>()
  for (const { peer, version, role, suite, credential, met, result } of rows) {
    const cells = [peer, version, role, suite, credential]
    const group = groups.get(cells.join('|')) ?? { cells, results: new Set<string>() }
    groups.set(cells.join('|'), group)
    group.results.add(`${met}: ${result}`)
  }
  const lines = [...groups.values()]
    .map(({ cells, results }) => [...cells, [...results].join('; ')])
    .sort((a, b) => (a.join('|') < b.join('|') ? -1 : 1))
  const all = [['peer', 'version', 'its role', 'suite', 'credential', 'result'], ...lines]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((line) => line[column]?.length ?? 0)))
  return all
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
