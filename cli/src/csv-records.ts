/** Comma-separated values (RFC 4180), the first line of which names the columns. */

import { CommandFailure } from './command-failure.ts'

export interface CsvRecord {
  /** Counted from 1, where the record begins. */
  readonly line: number
  /** By column; an empty field is none. */
  readonly fields: Readonly<Record<string, string | undefined>>
}

/** @throws CommandFailure where it is not well-formed. */
export function csvRecords(text: string, source: string): readonly CsvRecord[] {
  const [header, ...rows] = csvRows(text.replace(/^\ufeff/, ''), source)
  if (header === undefined) throw new CommandFailure('usage', `${source} is empty.`)
  return rows.map(({ line, cells }) => {
    if (cells.length !== header.cells.length) {
      const told = `${cells.length} fields, and ${header.cells.length} columns`
      throw new CommandFailure('usage', `${source}, line ${line}: ${told}.`)
    }
    const fields = header.cells.map(
      (name, index) => [name.trim(), cells[index] === '' ? undefined : cells[index]] as const,
    )
    return { line, fields: Object.fromEntries(fields) }
  })
}

interface Row {
  readonly line: number
  readonly cells: readonly string[]
}

function csvRows(text: string, source: string): readonly Row[] {
  const rows: Row[] = []
  let cells: string[] = []
  let line = 1
  let begun = 1
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|$)/y
  while (field.lastIndex < text.length) {
    const match = field.exec(text)
    if (match === null) throw new CommandFailure('usage', `${source}, line ${line}: a quote stands where none may.`)
    const [whole, quoted, plain = '', end] = match
    cells.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
    line += whole.split('\n').length - 1
    if (end === ',' && field.lastIndex < text.length) continue
    if (end === ',') cells.push('')
    if (cells.length > 1 || cells[0] !== '') rows.push({ line: begun, cells })
    cells = []
    begun = line
  }
  return rows
}
