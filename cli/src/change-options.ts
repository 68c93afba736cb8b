/** Options of commands that change something, and of those that list. */

import { type Command, InvalidArgumentError } from 'commander'

export const withDryRun = (command: Command): Command =>
  command.option('--dry-run', 'say what would be done, and do nothing')

/** For what cannot be taken back. */
export const withYes = (command: Command): Command => withDryRun(command).option('-y, --yes', 'do not ask')

/** Undefined stands for all. */
export const withLimit = (command: Command, standard?: number): Command =>
  command.option(
    '--limit <number>',
    standard === undefined ? 'at most so many; all unless told' : `at most so many; ${standard} unless told, 0 for all`,
    wholeNumber,
    standard,
  )

export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('A whole number is needed.')
  return Number(text)
}

/** For options that may be repeated. */
export const collected = (text: string, before: readonly string[] = []): readonly string[] => [...before, text]

/** The first so many; no more are fetched than that takes. */
export async function* first<Item>(items: AsyncIterable<Item>, limit: number | undefined): AsyncGenerator<Item> {
  let left = limit === undefined || limit === 0 ? Number.POSITIVE_INFINITY : limit
  for await (const item of items) {
    yield item
    left -= 1
    if (left <= 0) return
  }
}

/** Items of a page, so that a short list is not fetched as a long one. */
export const pageSize = (limit: number | undefined): number =>
  Math.min(200, limit === undefined || limit === 0 ? 200 : limit)
