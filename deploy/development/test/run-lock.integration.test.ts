import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { takeRunLock, testHome } from '@sallyport/development'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

let home: string
const children: ChildProcess[] = []
const said: string[] = []

beforeEach(() => {
  home = mkdtempSync(join(testHome(), 'lock-'))
  mkdirSync(join(home, 'run'))
  said.length = 0
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(home, { recursive: true, force: true })
})

function startSleeper(): Promise<{ pid: number; ended: Promise<unknown> }> {
  const child = spawn('sleep', ['60'])
  children.push(child)
  const ended = new Promise((resolve) => child.once('exit', resolve))
  return new Promise((resolve) => child.once('spawn', () => resolve({ pid: child.pid ?? -1, ended })))
}
const startTimeOf = (pid: number): string => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
const write = (name: string, value: unknown) => writeFileSync(join(home, 'run', name), JSON.stringify(value))
const take = () => takeRunLock(home, (line) => said.push(line))

describe('the lock of a run', () => {
  it('refuses a second run on the same home and names the first', async () => {
    const { pid } = await startSleeper()
    write('starter.json', { name: 'starter', pid, startTime: startTimeOf(pid) })
    await expect(take()).rejects.toThrow(`running already (process ${pid})`)
  })

  it('goes on over a lock whose run was killed, says so, and ends what it left', async () => {
    const left = await startSleeper()
    write('starter.json', { name: 'starter', pid: 4_000_000, startTime: '1' })
    write('processes.json', [{ name: 'redis', pid: left.pid, startTime: startTimeOf(left.pid) }])
    const lock = await take()
    await left.ended
    expect(said.join()).toContain('was not stopped in order')
    lock.release()
  })

  it('never touches a process that was given the pid of one of ours', async () => {
    const stranger = await startSleeper()
    write('starter.json', { name: 'starter', pid: 4_000_000, startTime: '1' })
    write('processes.json', [{ name: 'redis', pid: stranger.pid, startTime: '1' }])
    await take()
    expect(startTimeOf(stranger.pid)).not.toBe('')
  })

  it('takes a lock file that was cut short as none', async () => {
    writeFileSync(join(home, 'run', 'starter.json'), '{"pid":')
    const lock = await take()
    lock.record([{ name: 'self', pid: process.pid }])
    expect(JSON.parse(readFileSync(join(home, 'run', 'processes.json'), 'utf8'))).toHaveLength(1)
    lock.release()
  })
})
