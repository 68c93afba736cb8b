import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { milliseconds } from '@sallyport/clock'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileTokenLock } from '../src/index.ts'

describe('the lock file of a token', () => {
  let folder: string
  let path: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'token-lock-'))
    path = join(folder, 'lock')
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('lets one in at a time and leaves nothing behind', async () => {
    let inside = 0
    let most = 0
    const enter = () =>
      fileTokenLock(path).withLock(async () => {
        inside++
        most = Math.max(most, inside)
        await sleep(5)
        inside--
      })
    await Promise.all(Array.from({ length: 10 }, enter))
    expect(most).toBe(1)
    expect(await readdir(folder)).toEqual([])
  })

  it('takes over from a process that is gone, one waiter at a time', async () => {
    await writeFile(path, '4194305')
    let inside = 0
    let most = 0
    await Promise.all(
      Array.from({ length: 10 }, () =>
        fileTokenLock(path).withLock(async () => {
          inside++
          most = Math.max(most, inside)
          await sleep(2)
          inside--
        }),
      ),
    )
    expect(most).toBe(1)
  })

  it('gives up on a lock whose process lives, and releases its own after a failure', async () => {
    await writeFile(path, String(process.pid))
    await expect(fileTokenLock(path, milliseconds(80)).withLock(async () => 'in')).rejects.toMatchObject({
      code: 'hsm-unavailable',
    })
    await rm(path)
    const lock = fileTokenLock(path)
    await expect(lock.withLock(() => Promise.reject(new Error('work')))).rejects.toThrow('work')
    expect(await lock.withLock(async () => 'in')).toBe('in')
  })
})
