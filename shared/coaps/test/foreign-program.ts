/** Runs the program of a foreign peer: what it is told and when, what it says, and that it is gone afterwards. */

import { spawn } from 'node:child_process'

export interface ForeignRun {
  /** Both streams. */
  readonly output: string
  readonly exitCode: number | null
}

export interface ForeignProgram {
  /** All it has said so far. */
  readonly output: string
  write(text: string): void
  /** Waits until it has said this. @throws when it does not within the time, or ends before */
  says(text: string | RegExp, milliseconds?: number): Promise<void>
  /** Ends its input and waits for it; killed when it takes longer. */
  end(milliseconds?: number): Promise<ForeignRun>
}

const packages = { openssl: 'openssl', 'gnutls-cli': 'gnutls-bin' } as const

export function startForeign(program: keyof typeof packages, args: readonly string[]): ForeignProgram {
  const child = spawn(program, args, { stdio: 'pipe' })
  let output = ''
  let missing: Error | undefined
  const watchers = new Set<() => void>()
  const tell = (): void => {
    for (const watcher of [...watchers]) watcher()
  }
  const hear = (chunk: Buffer): void => {
    output += chunk.toString('latin1')
    tell()
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  child.stdin.on('error', () => undefined)
  child.on('error', (cause) => {
    missing = new Error(`this test needs the program ${program} (Debian package ${packages[program]})`, { cause })
    tell()
  })
  let over = false
  child.on('close', () => {
    over = true
    tell()
  })
  const until = (condition: () => boolean, milliseconds: number): Promise<boolean> =>
    new Promise((resolve) => {
      const settle = (met: boolean): void => {
        clearTimeout(timer)
        watchers.delete(watcher)
        resolve(met)
      }
      const watcher = (): void => {
        if (condition()) settle(true)
        else if (over || missing !== undefined) settle(false)
      }
      const timer = setTimeout(() => settle(false), milliseconds)
      watchers.add(watcher)
      watcher()
    })
  return {
    get output() {
      return output
    },
    write: (text) => {
      child.stdin.write(text)
    },
    says: async (text, milliseconds = 10_000) => {
      const said = (): boolean => (typeof text === 'string' ? output.includes(text) : text.test(output))
      if (await until(said, milliseconds)) return
      child.kill('SIGKILL')
      throw missing ?? new Error(`${program} did not say ${text}, but:\n${output.slice(-4000)}`)
    },
    end: async (milliseconds = 10_000) => {
      child.stdin.end()
      await until(() => over, milliseconds)
      if (!over) child.kill('SIGKILL')
      await until(() => over, 2000)
      if (missing !== undefined) throw missing
      return { output, exitCode: child.exitCode }
    },
  }
}
