/**
 * Child processes that never outlive their starter.
 *
 * Each runs in a session of its own, so that Ctrl-C in a terminal reaches the starter alone, which then stops its children
 * in order; and each gets a parent-death signal from the kernel, so that they end even when the starter was killed.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { HeldSocket } from './held-socket.ts'
import { compileCache } from './home.ts'

export interface ChildOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** The file that takes the child's output, appended. */
  readonly logFile: string
  /** Run as this user (the starter is root). */
  readonly user?: string
  /** Inherited from 3 on, and said as systemd says it (sd_listen_fds(3)). */
  readonly sockets?: readonly HeldSocket[]
  /** What the kernel sends when the starter dies; Postgres takes INT as a fast shutdown. */
  readonly parentDeathSignal?: 'KILL' | 'INT' | 'TERM'
}

export interface Child {
  readonly name: string
  readonly pid: number
  readonly running: boolean
  /** Resolves with the exit code, or with the signal's name, once the process has ended. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** Sends `signal`, and SIGKILL when the process is still there after `graceMilliseconds`. */
  stop(signal?: NodeJS.Signals, graceMilliseconds?: number): Promise<void>
  kill(signal: NodeJS.Signals): void
}

export function startChild(options: ChildOptions): Child {
  const output = openSync(options.logFile, 'a', 0o600)
  const identity =
    options.user === undefined ? [] : ['--reuid', options.user, '--regid', options.user, '--clear-groups']
  const { sockets = [] } = options
  const program = [
    'setpriv',
    ...identity,
    ...['--pdeathsig', options.parentDeathSignal ?? 'KILL', options.command, ...options.args],
  ]
  // Only the process itself knows its id before it runs.
  const command = sockets.length === 0 ? program : ['sh', '-c', 'export LISTEN_PID=$$; exec "$@"', 'sh', ...program]
  const process = spawn(command[0] ?? '', command.slice(1), {
    stdio: ['ignore', output, output, ...sockets.map(({ descriptor }) => descriptor)],
    detached: true,
    cwd: options.cwd ?? '/',
    env: { ...environmentForChildren(), ...options.env, ...namesOf(sockets) },
  })
  closeSync(output)
  return new RunningChild(options.name, process)
}

function namesOf(sockets: readonly HeldSocket[]): Record<string, string> {
  if (sockets.length === 0) return {}
  return { LISTEN_FDS: String(sockets.length), LISTEN_FDNAMES: sockets.map(({ name }) => name).join(':') }
}

/** What every child inherits: enough to find programs, start quickly and speak the language, nothing else of ours. */
function environmentForChildren(): Record<string, string> {
  const kept: Record<string, string> = { ...compileCache }
  for (const name of ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'CI']) {
    const value = process.env[name]
    if (value !== undefined) kept[name] = value
  }
  return kept
}

class RunningChild implements Child {
  readonly name: string
  readonly ended: Promise<number | NodeJS.Signals>
  readonly #process: ChildProcess
  #running = true

  constructor(name: string, process: ChildProcess) {
    this.name = name
    this.#process = process
    this.ended = new Promise((resolve) => {
      process.once('error', () => {
        this.#running = false
        resolve(127)
      })
      process.once('exit', (code, signal) => {
        this.#running = false
        resolve(signal ?? code ?? 0)
      })
    })
  }

  get pid(): number {
    return this.#process.pid ?? -1
  }

  get running(): boolean {
    return this.#running
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#running) this.#process.kill(signal)
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMilliseconds = 20_000): Promise<void> {
    if (!this.#running) return
    this.#process.kill(signal)
    const late = setTimeout(() => this.#process.kill('SIGKILL'), graceMilliseconds)
    await this.ended
    clearTimeout(late)
  }
}
