/**
 * One run per home, and nothing left behind by the one before.
 *
 * The lock names the starter; the process list names its children by pid and start time, so that a pid that has since been
 * given to another program is never touched.
 */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SetupFailure } from './failure.ts'

interface RecordedProcess {
  readonly name: string
  readonly pid: number
  /** Field 22 of /proc/<pid>/stat: clock ticks since boot. */
  readonly startTime: string
}

export interface RunLock {
  /** Writes down the children, so that the next start can end them should this one be killed. */
  record(processes: readonly { readonly name: string; readonly pid: number }[]): void
  release(): void
}

/** @throws SetupFailure when another run holds this home. */
export async function takeRunLock(home: string, say: (line: string) => void): Promise<RunLock> {
  const folder = join(home, 'run')
  mkdirSync(folder, { recursive: true })
  const lockFile = join(folder, 'starter.json')
  const listFile = join(folder, 'processes.json')
  const holder = readJson<RecordedProcess>(lockFile)
  if (holder !== undefined && isAlive(holder)) {
    throw new SetupFailure(
      `this checkout is running already (process ${holder.pid}): stop that with Ctrl-C or kill ${holder.pid}, or run another checkout with SALLYPORT_PORT_OFFSET=100`,
    )
  }
  const left = (readJson<RecordedProcess[]>(listFile) ?? []).filter(isAlive)
  if (holder !== undefined) say('  the last run was not stopped in order; cleaning up after it')
  await endAll(left)
  rmSync(join(home, 'ready.json'), { force: true })
  rmSync(listFile, { force: true })
  writeFileSync(lockFile, JSON.stringify(recordOf('starter', process.pid)), { mode: 0o600 })
  return {
    record: (processes) =>
      writeFileSync(listFile, JSON.stringify(processes.map(({ name, pid }) => recordOf(name, pid)))),
    release: () => {
      rmSync(listFile, { force: true })
      rmSync(lockFile, { force: true })
    },
  }
}

const recordOf = (name: string, pid: number): RecordedProcess => ({ name, pid, startTime: startTimeOf(pid) ?? '' })

function isAlive(process: RecordedProcess): boolean {
  return process.startTime !== '' && startTimeOf(process.pid) === process.startTime
}

function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in parentheses and may hold spaces; the fields after it are plain.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

async function endAll(processes: readonly RecordedProcess[]): Promise<void> {
  for (const { name, pid } of processes) signal(pid, name === 'postgres' ? 'SIGINT' : 'SIGTERM')
  const deadline = Date.now() + 10_000
  while (processes.some(isAlive)) {
    if (Date.now() > deadline) for (const { pid } of processes.filter(isAlive)) signal(pid, 'SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended by itself in the meantime.
  }
}

function readJson<T>(file: string): T | undefined {
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch {
    // A write that was cut short says nothing.
    return undefined
  }
}
