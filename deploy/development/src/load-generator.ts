/** The load generator as a process that obeys a line at a time (`tests/bench/coaps-load.c` says which). */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { SetupFailure } from './failure.ts'

export class LoadGenerator {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #lines: AsyncIterator<string>
  #said = ''

  constructor(program: string, args: readonly string[]) {
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
    // What it could not say before it ended is in what it said last.
    this.#process.stdin.on('error', () => undefined)
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text
    })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  /** Full mutual handshakes; the associations stay. */
  async connect(count: number): Promise<void> {
    await this.#order(`connect ${count}`, 'connected')
  }

  /** Handshakes with the session of the first association; answers how many of them the server did resume. */
  async resume(count: number): Promise<number> {
    const said = await this.#order(`resume ${count}`, 'resumed')
    return Number(said.split(' ')[1])
  }

  /** Confirmable GETs, spread over all associations that are not at rest. */
  async get(count: number): Promise<void> {
    await this.#order(`get ${count}`, 'answered')
  }

  /** Lets all associations but the first idle for ever. */
  async rest(): Promise<void> {
    await this.#order('rest', 'resting')
  }

  async close(): Promise<void> {
    await this.#order('close', 'closed')
  }

  stop(): void {
    this.#process.kill('SIGKILL')
  }

  /** @throws SetupFailure with what the generator said when it could not do it; it bounds its own time */
  async #order(command: string, answer: string): Promise<string> {
    this.#process.stdin.write(`${command}\n`)
    const { value, done } = await this.#lines.next()
    if (done !== true && value.startsWith(answer)) return value
    throw new SetupFailure(`the load generator failed at "${command}": ${this.#said.trim().split('\n')[0] ?? ''}`)
  }
}
