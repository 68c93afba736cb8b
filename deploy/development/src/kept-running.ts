/**
 * A child process that is started again whenever it dies, until it is stopped: with a growing pause, and saying so.
 */

import type { Child } from './child.ts'

/** What a start gives: the process, and how it is stopped in order. */
export interface Running {
  readonly process: Child
  stop(): Promise<void>
}

export interface KeptRunning<T extends Running> {
  /** The latest start; its process has ended while the next one is being made. */
  readonly current: T
  stop(): Promise<void>
}

export interface KeepRunningOptions<T extends Running> {
  readonly name: string
  readonly logFile: string
  /** Resolves once it can be used. */
  readonly start: () => Promise<T>
  /** Asked after each end: why it shall stay away for good, or undefined. */
  readonly unwanted?: () => Promise<string | undefined>
  /** Hears of each end and each return. */
  readonly onChange: (text: string) => void
}

const firstPause = 250
const longestPause = 8_000
const mostSaid = 120

/** Watches `first`, which runs already. */
export function keepRunning<T extends Running>(first: T, options: KeepRunningOptions<T>): KeptRunning<T> {
  const { name, logFile, onChange } = options
  let current = first
  let restarting: Promise<void> | undefined
  const stopping = new AbortController()

  function watch(running: T): void {
    void running.process.ended.then((end) => {
      if (stopping.signal.aborted) return
      restarting = restart(end)
    })
  }

  async function restart(end: number | NodeJS.Signals): Promise<void> {
    const reason = await options.unwanted?.().catch(() => undefined)
    onChange(`${name} ended (${end}); ${reason ?? `starting it again (log: ${logFile})`}`)
    if (reason !== undefined) return
    for (let pause = firstPause; !stopping.signal.aborted; pause = Math.min(pause * 2, longestPause)) {
      await pauseUnlessAborted(pause, stopping.signal)
      if (stopping.signal.aborted) return
      try {
        current = await options.start()
      } catch (error) {
        const said = error instanceof Error ? error.message : String(error)
        onChange(`${name} did not start yet: ${said.slice(0, mostSaid)}`)
        continue
      }
      if (stopping.signal.aborted) return
      watch(current)
      onChange(`${name} is ready again`)
      return
    }
  }

  watch(first)
  return {
    get current() {
      return current
    },
    stop: async () => {
      stopping.abort()
      await restarting
      await current.stop()
    },
  }
}

function pauseUnlessAborted(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
