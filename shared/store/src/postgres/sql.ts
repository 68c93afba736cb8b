/**
 * SQL with values in it, safely: what is interpolated becomes a parameter, unless it is SQL made the same way.
 *
 *   sql`select name from device where id = ${id} ${onlyOnline ? sql`and online` : sql``}`
 */

export interface Sql {
  readonly strings: readonly string[]
  readonly values: readonly SqlValue[]
}

export type SqlValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Date
  | Uint8Array
  | readonly (string | number | boolean | null | Uint8Array | Date)[]

export function sql(strings: TemplateStringsArray, ...parts: readonly (SqlValue | Sql | undefined)[]): Sql {
  const texts: string[] = [strings[0] ?? '']
  const values: SqlValue[] = []
  const append = (text: string): void => {
    texts[texts.length - 1] += text
  }
  for (const [index, part] of parts.entries()) {
    if (isSql(part)) {
      append(part.strings[0] ?? '')
      texts.push(...part.strings.slice(1))
      values.push(...part.values)
    } else {
      values.push(part ?? null)
      texts.push('')
    }
    append(strings[index + 1] ?? '')
  }
  return { strings: texts, values }
}

/** SQL without values, as it is: for texts that this package wrote, never for anything that came from outside. */
sql.raw = (text: string): Sql => ({ strings: [text], values: [] })

/** Conditions that all hold; none: true. */
export const allOf = (conditions: readonly (Sql | undefined)[]): Sql =>
  conditions
    .filter((condition) => condition !== undefined)
    .reduce((joined, condition) => sql`${joined} and ${condition}`, sql`true`)

/** A document for a `jsonb` parameter; pg would write an array as an array of Postgres. */
export const json = (value: unknown): Sql => sql`${JSON.stringify(value)}::jsonb`

/** Milliseconds since the epoch as a time of Postgres. */
export const time = (at: number): Date => new Date(at)

const isSql = (part: SqlValue | Sql | undefined): part is Sql =>
  typeof part === 'object' && part !== null && 'strings' in part

/** The text with `$1`, `$2`, … */
export const textOf = (statement: Sql): string =>
  statement.strings.reduce((text, piece, index) => `${text}$${index}${piece}`)
