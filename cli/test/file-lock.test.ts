import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { whileLocked } from '../src/file-lock.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('a lock', () => {
  it('lets one in at a time, and leaves nothing', async () => {
    let inside = 0
    let most = 0
    const work = async () => {
      inside += 1
      most = Math.max(most, inside)
      await new Promise((resolve) => setTimeout(resolve, 5))
      inside -= 1
    }
    await Promise.all(Array.from({ length: 8 }, () => whileLocked(join(folder, 'lock'), work)))
    expect(most).toBe(1)
    expect(readdirSync(folder)).toEqual([])
  })

  it('is released when the work fails', async () => {
    const failing = whileLocked(join(folder, 'lock'), () => Promise.reject(new Error('no')))
    await expect(failing).rejects.toThrow('no')
    expect(await whileLocked(join(folder, 'lock'), async () => 'done')).toBe('done')
  })

  it('of a process that is gone is taken over', async () => {
    const { pid } = spawnSync('true')
    writeFileSync(join(folder, 'lock'), String(pid))
    expect(await whileLocked(join(folder, 'lock'), async () => 'done')).toBe('done')
    expect(readdirSync(folder)).toEqual([])
  })
})
