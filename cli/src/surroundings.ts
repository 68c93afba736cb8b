/** What a command needs from the process that it runs in. Only `main.ts` makes one from the real process. */

import type { Fetch } from '@sallyport/client'

export interface Sink {
  /** Resolves when more may be written. */
  write(text: string): Promise<void>
  readonly isTerminal: boolean
  /** Characters in a line of the terminal. */
  readonly columns: number
}

export interface Surroundings {
  /** Milliseconds since the epoch. */
  now(): number
  readonly stdout: Sink
  readonly stderr: Sink
  readonly stdin: {
    readonly isTerminal: boolean
    /** All of it. */
    read(): Promise<string>
  }
  /** Asks the person at the terminal. */
  ask(question: string): Promise<string>
  /** The same without showing what is typed. */
  askSecret(question: string): Promise<string>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The person's home folder. */
  readonly home: string
  /** Aborted when the person wants to stop. */
  readonly stop: AbortSignal
  /** How a server is reached; by default `fetch`, with the authorities of `--ca` where some are named. */
  readonly fetch?: Fetch
}
