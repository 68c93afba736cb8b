/**
 * What a command says. Its result goes to standard output: aligned text for people, or with `--json` one document, and for
 * lists and streams one document a line. All else (notes, progress, errors) goes to standard error.
 */

import type { Surroundings } from './surroundings.ts'
import { type Column, factLines, Table } from './table.ts'
import { visibleJson, visibleText } from './terminal-text.ts'

export type Fact = readonly [name: string, value: string | number | boolean | null | undefined]

export interface Output {
  readonly isJson: boolean
  /** One thing: what it is to a program, and what a person reads of it. */
  thing(value: unknown, facts: readonly Fact[]): Promise<void>
  /** Things as they come; `none` is said where there are not any. */
  list<Item>(items: AsyncIterable<Item> | Iterable<Item>, columns: readonly Column<Item>[], none: string): Promise<void>
  /** One of a stream. */
  streamed(value: unknown, line: string): Promise<void>
  /** Text as it is, such as a script. */
  text(text: string): Promise<void>
  /** To the person beside the result. */
  note(text: string): Promise<void>
  /** A line that is written over by the next, on a terminal; elsewhere nothing until the end. */
  progress(text: string): Promise<void>
}

/** Rows that decide how wide columns are. */
const rowsLookedAt = 200

export function createOutput(
  { stdout, stderr, environment }: Pick<Surroundings, 'stdout' | 'stderr' | 'environment'>,
  options: { readonly json?: boolean | undefined; readonly color?: boolean | undefined },
): Output {
  const isJson = options.json === true
  // https://no-color.org: set and not empty.
  const mayColour = options.color !== false && (environment.NO_COLOR ?? '') === '' && environment.TERM !== 'dumb'
  const isColoured = stdout.isTerminal && mayColour
  let isProgressShown = false
  const clearProgress = async (): Promise<void> => {
    if (!isProgressShown) return
    isProgressShown = false
    await stderr.write('\r\x1b[K')
  }

  return {
    isJson,
    thing: async (value, facts) => {
      await clearProgress()
      await stdout.write(isJson ? `${visibleJson(value, 2)}\n` : factLines(facts, isColoured))
    },
    list: async (items, columns, none) => {
      let table: Table<(typeof columns)[number] extends Column<infer Item> ? Item : never> | undefined
      let waiting: Parameters<(typeof columns)[number]['value']>[0][] = []
      let isEmpty = true
      const layout = { columns: stdout.isTerminal ? stdout.columns : undefined, isColoured }
      const flush = async (): Promise<void> => {
        if (waiting.length === 0) return
        await clearProgress()
        if (table === undefined) {
          table = new Table(columns, waiting, layout)
          await stdout.write(table.header())
        }
        let text = ''
        for (const item of waiting) text += table.row(item)
        await stdout.write(text)
        waiting = []
      }
      for await (const item of items) {
        isEmpty = false
        if (isJson) {
          await stdout.write(`${visibleJson(item)}\n`)
          continue
        }
        waiting.push(item)
        if (waiting.length >= rowsLookedAt) await flush()
      }
      await flush()
      if (isEmpty && !isJson) await stderr.write(`${none}\n`)
    },
    streamed: async (value, line) => {
      await stdout.write(isJson ? `${visibleJson(value)}\n` : `${visibleText(line)}\n`)
    },
    text: (text) => stdout.write(text),
    note: async (text) => {
      await clearProgress()
      await stderr.write(`${text.split('\n').map(visibleText).join('\n')}\n`)
    },
    progress: async (text) => {
      if (!stderr.isTerminal) return
      isProgressShown = true
      await stderr.write(`\r\x1b[K${visibleText(text)}`)
    },
  }
}
