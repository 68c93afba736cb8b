/**
 * Reading on where a page ended: lists are sorted by a time and an id, newest first, and the cursor is that pair of the last
 * row, base64url. It is no secret and no capability: a changed one reads from elsewhere in the same list.
 */

import { fromBase64Url, fromUtf8, toBase64Url, utf8 } from '@sallyport/bytes'
import { instant, toRfc3339 } from '@sallyport/clock'
import { CodedError, hasCode } from '@sallyport/errors'
import type { Page, PageRequest } from '../page.ts'
import { type Sql, sql } from './sql.ts'

export interface SortKey {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly id: string
}

const mostItems = 1000

/** What the page's condition, order and limit are; one row more than wanted tells whether there is a next page. */
export interface PageWindow {
  readonly limit: number
  readonly after: SortKey | undefined
}

/** @throws CodedError `validation-failed` for a limit out of range or a cursor that is none. */
export function pageWindow(request: PageRequest): PageWindow {
  const { limit, cursor } = request
  if (!Number.isInteger(limit) || limit < 1 || limit > mostItems) {
    throw new CodedError('validation-failed', `A page holds 1 to ${mostItems} items.`)
  }
  return { limit, after: cursor === undefined ? undefined : decodeCursor(cursor) }
}

/** `(at, id)` before the cursor's; for a list that is sorted newest first. */
export const beforeCursor = (
  { after }: PageWindow,
  columns: { readonly at: Sql; readonly id: Sql },
): Sql | undefined =>
  after === undefined
    ? undefined
    : sql`(${columns.at}, ${columns.id}) < (${new Date(after.at)}::timestamptz(3), ${after.id}::uuid)`

export function toPage<Row, Item>(
  rows: readonly Row[],
  window: PageWindow,
  sortKey: (row: Row) => SortKey,
  item: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, window.limit)
  const last = shown.at(-1)
  return {
    items: shown.map(item),
    nextCursor: last === undefined || rows.length <= window.limit ? null : encodeCursor(sortKey(last)),
  }
}

export const encodeCursor = ({ at, id }: SortKey): string => toBase64Url(utf8(`${toRfc3339(instant(at))} ${id}`))

function decodeCursor(cursor: string): SortKey {
  const [time = '', id = ''] = textIn(cursor).split(' ')
  const at = Date.parse(time)
  if (!Number.isNaN(at) && /^[0-9a-f-]{36}$/.test(id)) return { at, id }
  throw notACursor()
}

function textIn(cursor: string): string {
  try {
    return fromUtf8(fromBase64Url(cursor))
  } catch (error) {
    if (hasCode(error, 'malformed-bytes')) throw notACursor()
    throw error
  }
}

/** For a list that is sorted by a time alone, which is unique in it. */
export function timeWindow(request: PageRequest): { readonly limit: number; readonly before: number | undefined } {
  const { limit } = pageWindow({ limit: request.limit })
  if (request.cursor === undefined) return { limit, before: undefined }
  const before = Date.parse(textIn(request.cursor))
  if (Number.isNaN(before)) throw notACursor()
  return { limit, before }
}

export const encodeTimeCursor = (at: number): string => toBase64Url(utf8(toRfc3339(instant(at))))

const notACursor = (): CodedError => new CodedError('validation-failed', 'The cursor is not one of this list.')
