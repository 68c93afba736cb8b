/** Rows as aligned columns, for people. */

import { fittedText, textWidth, visibleText } from './terminal-text.ts'

export type Tone = 'plain' | 'good' | 'bad' | 'faint'

export interface Column<Item> {
  readonly header: string
  /** Undefined and null are shown as `–`. */
  readonly value: (item: Item) => string | number | boolean | null | undefined
  readonly tone?: (item: Item) => Tone
  /** May be cut where the terminal is too narrow. */
  readonly mayBeCut?: boolean
  /** Is left out where cutting is not enough, the last one first. */
  readonly mayBeMissing?: boolean
}

export interface TableLayout {
  /** Undefined: nothing is cut. */
  readonly columns: number | undefined
  readonly isColoured: boolean
}

const gap = '  '
const leastColumns = 8
const codes: Readonly<Record<Tone, string>> = { plain: '', good: '\x1b[32m', bad: '\x1b[31m', faint: '\x1b[2m' }

/** Takes its widths from the first rows; later ones that are wider push their line out. */
export class Table<Item> {
  readonly #columns: readonly Column<Item>[]
  readonly #layout: TableLayout
  readonly #widths: readonly number[]

  constructor(columns: readonly Column<Item>[], first: readonly Item[], layout: TableLayout) {
    const measured = columns.map((column) => ({
      column,
      width: Math.max(column.header.length, ...first.map((item) => textWidth(cellText(column, item)))),
    }))
    const shown = layout.columns === undefined ? measured : fitted(measured, layout.columns)
    this.#columns = shown.map(({ column }) => column)
    this.#widths = shown.map(({ width }) => width)
    this.#layout = layout
  }

  header(): string {
    return this.#line(this.#columns.map(({ header }) => ({ text: header, tone: 'faint' })))
  }

  row(item: Item): string {
    return this.#line(
      this.#columns.map((column) => ({ text: cellText(column, item), tone: column.tone?.(item) ?? 'plain' })),
    )
  }

  #line(cells: readonly { readonly text: string; readonly tone: Tone }[]): string {
    const shown = cells.map(({ text, tone }, index) => {
      const width = this.#widths[index] ?? 0
      const isCut = this.#layout.columns !== undefined && this.#columns[index]?.mayBeCut === true
      const fitted = isCut ? fittedText(text, width) : text
      const padding = index === cells.length - 1 ? '' : ' '.repeat(Math.max(0, width - textWidth(fitted)))
      return `${painted(fitted, tone, this.#layout.isColoured)}${padding}`
    })
    return `${shown.join(gap)}\n`
  }
}

interface Measured<Item> {
  readonly column: Column<Item>
  readonly width: number
}

function fitted<Item>(natural: readonly Measured<Item>[], available: number): readonly Measured<Item>[] {
  const shown = [...natural]
  const least = () =>
    totalOf(shown.map(({ column, width }) => (column.mayBeCut === true ? Math.min(width, leastColumns) : width)))
  while (least() > available) {
    const last = shown.findLastIndex(({ column }) => column.mayBeMissing === true)
    if (last < 0) break
    shown.splice(last, 1)
  }
  // The widest one that may be cut gives way, one character at a time.
  while (totalOf(shown.map(({ width }) => width)) > available) {
    let widest = -1
    for (const [index, { column, width }] of shown.entries()) {
      if (column.mayBeCut === true && width > (shown[widest]?.width ?? leastColumns)) widest = index
    }
    const giving = shown[widest]
    if (giving === undefined) break
    shown[widest] = { ...giving, width: giving.width - 1 }
  }
  return shown
}

const totalOf = (widths: readonly number[]): number =>
  widths.reduce((sum, width) => sum + width, 0) + gap.length * (widths.length - 1)

/** What is known of one thing, a line each. */
export function factLines(
  facts: readonly (readonly [name: string, value: string | number | boolean | null | undefined])[],
  isColoured: boolean,
): string {
  const width = Math.max(0, ...facts.map(([name]) => name.length))
  return facts
    .map(([name, value]) => `${painted(name.padEnd(width), 'faint', isColoured)}${gap}${shownValue(value)}\n`)
    .join('')
}

const cellText = <Item>(column: Column<Item>, item: Item): string => shownValue(column.value(item))

const shownValue = (value: string | number | boolean | null | undefined): string => {
  if (value === undefined || value === null || value === '') return '–'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return visibleText(String(value))
}

const painted = (text: string, tone: Tone, isColoured: boolean): string =>
  isColoured && tone !== 'plain' ? `${codes[tone]}${text}\x1b[0m` : text
