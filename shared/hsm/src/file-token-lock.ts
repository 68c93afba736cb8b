/**
 * The lock of a token between the processes of one host, as a file: for ceremonies and tests, where there is no database.
 *
 * The file is made exclusively and holds the process id. A lock whose process is gone is taken over; the take-over renames
 * the stale file first, so of several waiters only one removes it.
 */

import { randomBytes } from 'node:crypto'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Duration, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { TokenLock } from './token.ts'

const pollMilliseconds = 20

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
    else if (performance.now() > deadline) throw new CodedError('hsm-unavailable', `the lock file ${path} stays taken`)
    else await sleep(pollMilliseconds + Math.random() * pollMilliseconds)
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

/** Another waiter may have taken the lock between our look and the rename: then it is put back. */
async function takeAway(path: string): Promise<void> {
  const stale = `${path}.${randomBytes(8).toString('hex')}`
  try {
    await rename(path, stale)
    if (!(await ownerIsGone(stale))) await link(stale, path)
  } catch (error) {
    if (!isFileError(error, 'ENOENT') && !isFileError(error, 'EEXIST')) throw error
  } finally {
    await rm(stale, { force: true })
  }
}

function isFileError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
