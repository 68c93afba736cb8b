/**
 * This gateway's claim of its shard, and the watch over it: whoever has lost it stops at once and says nothing to anyone, since
 * another process goes on with its associations.
 *
 * Effects in the database carry the claim and fail without it (`record-marks.ts`). What is left is to notice in time: the claim
 * is looked at every few seconds, and before anything is served when this process itself was stopped for a while (a zombie).
 */

import { type Clock, type Duration, type Instant, milliseconds, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError, hasCode } from '@sallyport/errors'
import type { ShardClaim, Store } from '@sallyport/store'

export interface ShardHolderOptions {
  readonly shards: Pick<Store['shards'], 'isHeld'>
  readonly claim: ShardClaim
  readonly clock: Clock
  readonly log: Logger
}

const confirmedEvery = seconds(5)
const beatsEvery = milliseconds(500)
/** Nobody takes over within less. A loop that is late by this much was stopped. */
const longestPause: Duration = seconds(3)

export class ShardHolder {
  readonly claim: ShardClaim
  /** Resolves when another process has the shard. */
  readonly lost: Promise<void>
  readonly #options: ShardHolderOptions
  readonly #lose: () => void
  #isLost = false
  #lastBeat: Instant
  #confirming: Promise<void> | undefined
  #doubtful = false
  #timers: NodeJS.Timeout[] = []

  constructor(options: ShardHolderOptions) {
    this.#options = options
    this.claim = options.claim
    this.#lastBeat = options.clock.now()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.lost = promise
    this.#lose = resolve
  }

  start(): void {
    this.#timers = [
      setInterval(() => this.#beat(), beatsEvery),
      setInterval(() => void this.#confirm().catch(() => undefined), confirmedEvery),
    ]
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }

  /**
   * Undefined when there is no reason to doubt the claim; else it is looked at first.
   * @throws CodedError `shard-lost`, or what the store throws: after a pause nothing is served unseen.
   */
  ensureHeld(): Promise<void> | undefined {
    if (this.#isLost) throw lost()
    this.#beat()
    return this.#doubtful ? this.#confirm() : undefined
  }

  /** What a transaction under the claim failed with. @returns the same error */
  noticed(error: unknown): unknown {
    if (hasCode(error, 'shard-lost')) this.#lost()
    return error
  }

  #beat(): void {
    const now = this.#options.clock.now()
    if (now - this.#lastBeat > longestPause) this.#doubtful = true
    this.#lastBeat = now
    if (this.#doubtful) void this.#confirm().catch(() => undefined)
  }

  #confirm(): Promise<void> {
    this.#confirming ??= this.#look().finally(() => {
      this.#confirming = undefined
    })
    return this.#confirming
  }

  async #look(): Promise<void> {
    const { shard, gatewayId, takeovers } = this.claim
    if (await this.#options.shards.isHeld(shard, gatewayId, takeovers)) {
      this.#doubtful = false
      return
    }
    this.#lost()
    throw lost()
  }

  #lost(): void {
    if (this.#isLost) return
    this.#isLost = true
    this.stop()
    this.#options.log.error({ ...this.claim }, 'another gateway has taken over the shard: this one ends')
    this.#lose()
  }
}

const lost = (): CodedError => new CodedError('shard-lost', 'The shard was claimed by another gateway.')
