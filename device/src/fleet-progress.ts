/** How a fleet is doing while it starts: a bar on a terminal, a line now and then elsewhere. */

import { between, type Clock, type Instant, seconds } from '@sallyport/clock'
import type { FleetTally } from './fleet-summary.ts'

const barCells = 30
const lineEvery = seconds(2)

export class FleetProgress {
  readonly #total: number
  readonly #write: (text: string) => void
  readonly #terminal: boolean
  readonly #clock: Clock
  #lastLine: Instant

  constructor(options: { total: number; write: (text: string) => void; terminal: boolean; clock: Clock }) {
    this.#total = options.total
    this.#write = options.write
    this.#terminal = options.terminal
    this.#clock = options.clock
    this.#lastLine = options.clock.now()
  }

  show(tally: FleetTally): void {
    const text = this.#text(tally)
    if (this.#terminal) {
      const filled = Math.round(((tally.count('telemetry') + tally.failures) / this.#total) * barCells)
      const bar = '█'.repeat(Math.min(filled, barCells)).padEnd(barCells, '░')
      this.#write(`\r${bar} ${text}\u001b[K`)
      return
    }
    const now = this.#clock.now()
    if (between(this.#lastLine, now) < lineEvery) return
    this.#lastLine = now
    this.#write(`${text}\n`)
  }

  /** Leaves the bar's line. */
  end(): void {
    if (this.#terminal) this.#write('\n')
  }

  #text(tally: FleetTally): string {
    return (
      `${tally.count('provision')}/${this.#total} provisioned, ${tally.count('sign-in')} signed in, ` +
      `${tally.count('telemetry')} reported, ${tally.failures} failed`
    )
  }
}
