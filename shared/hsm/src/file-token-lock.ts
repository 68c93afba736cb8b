/**
 * The lock of a token between the processes of one host, as a file: for ceremonies and tests, where there is no database.
 *
 * The file is made exclusively and holds the process id. A lock whose process is gone is taken over.
 */

import { randomBytes } from 'node:crypto'
import { link, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Duration, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { TokenLock } from './token.ts'

const pollMilliseconds = 20
const abandonedMilliseconds = 10_000

/** @param path the lock file, in a folder that all processes with this token can write. */
export function fileTokenLock(path: string, wait: Duration = seconds(30)): TokenLock {
  return {
    async withLock(work) {
      await acquire(path, wait)
      try {
        return await work()
      } finally {
        await rm(path, { force: true })
      }
    },
  }
}

async function acquire(path: string, wait: Duration): Promise<void> {
  const deadline = performance.now() + wait
  for (;;) {
    if (await placeExclusively(path)) return
    if (await ownerIsGone(path)) await takeAway(path)
    if (performance.now() > deadline) throw new CodedError('hsm-unavailable', `the lock file ${path} stays taken`)
    await sleep(pollMilliseconds + Math.random() * pollMilliseconds)
  }
}

/** The file is linked into place whole, so no reader ever sees a lock without its owner. */
async function placeExclusively(path: string): Promise<boolean> {
  const own = `${path}.${randomBytes(8).toString('hex')}`
  try {
    await writeFile(own, String(process.pid), { flag: 'wx', mode: 0o600 })
    await link(own, path)
    return true
  } catch (error) {
    if (isFileError(error, 'EEXIST')) return false
    throw new CodedError('hsm-unavailable', `the lock file ${path} cannot be written`, { cause: error })
  } finally {
    await rm(own, { force: true })
  }
}

async function ownerIsGone(path: string): Promise<boolean> {
  let owner: number
  try {
    owner = Number.parseInt(await readFile(path, 'utf8'), 10)
  } catch (error) {
    if (isFileError(error, 'ENOENT')) return false
    throw error
  }
  if (!Number.isInteger(owner) || owner <= 0) return false
  try {
    process.kill(owner, 0)
    return false
  } catch (error) {
    return isFileError(error, 'ESRCH')
  }
}

/**
 * One waiter at a time looks again and removes. While it does, the file cannot change hands: its owner is gone, and a new one
 * can only come where there is no file.
 */
async function takeAway(path: string): Promise<void> {
  const right = `${path}.takeover`
  if (!(await placeExclusively(right))) {
    await forgetAbandoned(right)
    return
  }
  try {
    if (await ownerIsGone(path)) await rm(path, { force: true })
  } finally {
    await rm(right, { force: true })
  }
}

/** Removing takes a moment; a right that is still there after seconds is of a process that was killed within it. */
async function forgetAbandoned(right: string): Promise<void> {
  try {
    if (Date.now() - (await stat(right)).mtimeMs > abandonedMilliseconds) await rm(right, { force: true })
  } catch (error) {
    if (!isFileError(error, 'ENOENT')) throw error
  }
}

function isFileError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
