/** One process at a time, by a file beside what they share. */

import { randomBytes } from 'node:crypto'
import { closeSync, linkSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { CommandFailure } from './command-failure.ts'

/** Renewing a session takes less, its attempts among it. */
const longestWait = 150_000
const pause = 50

/**
 * Runs the work while no other process that locks the path runs one. The lock of a process that is gone is taken over.
 *
 * @throws CommandFailure when another holds it for too long.
 */
export async function whileLocked<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  for (let waited = 0; !taken(path); waited += pause) {
    if (waited > longestWait) throw new CommandFailure('failed', `${path} is held by another sallyport command.`)
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
  try {
    return await work()
  } finally {
    rmSync(path, { force: true })
  }
}

function taken(path: string): boolean {
  try {
    const descriptor = openSync(path, 'wx', 0o600)
    writeSync(descriptor, String(process.pid))
    closeSync(descriptor)
    return true
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error
    takeAway(path)
    return false
  }
}

/** Takes a lock away whose holder is gone, and no other one that came in its place meanwhile. */
function takeAway(path: string): void {
  const holder = holderOf(path)
  if (holder === undefined || isRunning(holder)) return
  const aside = `${path}.${randomBytes(6).toString('hex')}`
  try {
    renameSync(path, aside)
    if (holderOf(aside) !== holder) linkSync(aside, path)
    rmSync(aside, { force: true })
  } catch (error) {
    if (!isSystemError(error, 'ENOENT') && !isSystemError(error, 'EEXIST')) throw error
  }
}

/** Undefined for one that was made a moment ago and is not written yet, or is gone. */
function holderOf(path: string): number | undefined {
  try {
    const holder = Number(readFileSync(path, 'utf8'))
    return Number.isInteger(holder) && holder > 0 ? holder : undefined
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
}

function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    return !isSystemError(error, 'ESRCH')
  }
}

const isSystemError = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code
