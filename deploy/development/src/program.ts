/** Runs one of the product's commands to its end and gives what it printed. */

import { spawn } from 'node:child_process'
import { SetupFailure } from './failure.ts'
import { compileCache, mainOf, nodeProgram } from './home.ts'

export interface ProgramResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds; the program is killed after it. Default 60 000. */
  readonly timeout?: number
}

/** @throws SetupFailure with the last line that the program printed when it ends with another code than 0. */
export async function runProgram(
  packageFolder: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const result = await tryProgram(packageFolder, args, options)
  if (result.exitCode !== 0) {
    const said = (result.stderr.trim() || result.stdout.trim()).split('\n').at(-1) ?? ''
    throw new SetupFailure(`${packageFolder} ${args.slice(0, 2).join(' ')} failed: ${said}`)
  }
  return result.stdout
}

export function tryProgram(
  packageFolder: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  return new Promise((resolve) => {
    // As the long-lived children: out of the reach of a terminal's Ctrl-C, and ended by the kernel with the starter.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', nodeProgram, mainOf(packageFolder), ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...compileCache, ...process.env, ...options.env },
      timeout: options.timeout ?? 60_000,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.once('error', (error) => resolve({ exitCode: 127, stdout, stderr: error.message }))
    child.once('close', (code) => resolve({ exitCode: code ?? 137, stdout, stderr }))
  })
}
