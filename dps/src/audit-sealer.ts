/**
 * Chains the audit trail and signs its heads, for as long as the dps runs. An event has its place within a second of its
 * commit; a signature follows within ten. Any number of dps may run: the database lets one seal at a time.
 *
 * Without the HSM the chain goes on and only the signatures wait.
 */

import { type ChainPosition, headBytes } from '@sallyport/audit'
import { type Clock, type Duration, milliseconds, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import type { AuditChain } from '@sallyport/store'

export interface AuditSealerOptions {
  readonly chain: Pick<AuditChain, 'seal' | 'recordHead' | 'lastHead'>
  readonly sign: (bytes: Uint8Array) => Promise<{ readonly keyId: string; readonly signature: Uint8Array }>
  readonly clock: Clock
  readonly log: Logger
  readonly onSealed: (events: number) => void
  readonly onSigned: (head: ChainPosition) => void
}

const sealedEvery: Duration = milliseconds(300)
const signedEvery: Duration = seconds(10)
const batch = 1000

export class AuditSealer {
  readonly #options: AuditSealerOptions
  readonly #timers: NodeJS.Timeout[] = []
  readonly #failing = new Set<string>()
  #turn: Promise<void> = Promise.resolve()
  #waiting = new Set<string>()
  #last: ChainPosition | undefined
  #signed: number | undefined

  constructor(options: AuditSealerOptions) {
    this.#options = options
  }

  start(): void {
    this.#timers.push(
      setInterval(() => void this.#inTurn('seal', () => this.#seal()), sealedEvery),
      setInterval(() => void this.#inTurn('sign', () => this.#sign()), signedEvery),
    )
  }

  /** Seals and signs what there is, where it can. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    void this.#inTurn('seal', () => this.#seal())
    await this.#inTurn('sign', () => this.#sign())
  }

  async #seal(): Promise<void> {
    for (;;) {
      const { sealed, last } = await this.#options.chain.seal(batch)
      this.#last = last
      if (sealed > 0) this.#options.onSealed(sealed)
      if (sealed < batch) return
    }
  }

  async #sign(): Promise<void> {
    this.#signed ??= (await this.#options.chain.lastHead())?.sequence ?? 0
    const last = this.#last
    if (last === undefined || last.sequence <= this.#signed) return
    const head = { ...last, signedAt: this.#options.clock.now() }
    await this.#options.chain.recordHead({ ...head, ...(await this.#options.sign(headBytes(head))) })
    this.#signed = last.sequence
    this.#options.onSigned(last)
  }

  /** One after the other; what is waiting already is not asked for twice. A failure is told once, and tried again later. */
  #inTurn(name: 'seal' | 'sign', work: () => Promise<void>): Promise<void> {
    if (this.#waiting.has(name)) return this.#turn
    this.#waiting.add(name)
    this.#turn = this.#turn.then(async () => {
      this.#waiting.delete(name)
      try {
        await work()
        if (this.#failing.delete(name)) this.#options.log.info({ work: name }, 'the audit chain goes on')
      } catch (error) {
        if (!this.#failing.has(name)) this.#options.log.warn({ work: name, err: error }, 'the audit chain waits')
        this.#failing.add(name)
      }
    })
    return this.#turn
  }
}
