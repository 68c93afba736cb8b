/** One of our services as a process of its own, for tests: started, waited for, stopped or killed. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { mainOf, nodeProgram } from '@sallyport/development'

export interface RunningProcess {
  readonly ready: Readonly<Record<string, unknown>>
  /** What it has written so far. */
  readonly output: () => string
  signal(signal: NodeJS.Signals): void
  /** Sends the signal and resolves with the exit code; null when the signal itself ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

export async function startProcess(
  service: string,
  environment: Readonly<Record<string, string>>,
  readyFile: string,
  /** Inherited from 3 on, all called coaps. */
  descriptors: readonly number[] = [],
): Promise<RunningProcess> {
  rmSync(readyFile, { force: true })
  const sockets = { LISTEN_FDS: String(descriptors.length), LISTEN_FDNAMES: descriptors.map(() => 'coaps').join(':') }
  const child = spawn('sh', ['-c', 'export LISTEN_PID=$$; exec "$@"', 'sh', nodeProgram, mainOf(service)], {
    env: {
      PATH: process.env.PATH ?? '',
      ...environment,
      ...(descriptors.length === 0 ? {} : sockets),
      SALLYPORT_READY_FILE: readyFile,
    },
    stdio: ['ignore', 'pipe', 'pipe', ...descriptors],
  })
  if (child.stdout === null || child.stderr === null) throw new Error('no output')
  let output = ''
  const collect = (chunk: Buffer): void => {
    output += chunk.toString()
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  await waitForFile(readyFile, child, () => output)
  return {
    ready: JSON.parse(readFileSync(readyFile, 'utf8')),
    output: () => output,
    signal: (signal) => void child.kill(signal),
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      const exited = once(child, 'exit')
      child.kill(signal)
      await exited
      return child.exitCode
    },
  }
}

async function waitForFile(file: string, child: ChildProcess, output: () => string): Promise<void> {
  for (let waited = 0; waited < 30_000; waited += 50) {
    if (existsSync(file)) return
    if (child.exitCode !== null) throw new Error(`the process ended while starting:\n${output()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  child.kill('SIGKILL')
  throw new Error(`the process was not ready in time:\n${output()}`)
}
