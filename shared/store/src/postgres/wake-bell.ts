/**
 * Tells listeners that there is work, after the commit that made it and apart from it.
 *
 * A transaction that notifies holds a lock of the whole database from before its commit is written to disk until after: all that
 * notify commit one after the other, a disk's turn each. Of what is only a nudge, with a poll behind it, that would make the
 * slowest part of every act. So the nudge is a transaction of its own, which does not wait for the disk, and one stands for all
 * that were asked for while the last was on its way. What must not be missed, such as a revocation, is notified in its act.
 */

export type WakeChannel = 'outbox' | 'jobs'

export class WakeBell {
  readonly #send: (text: string) => Promise<void>
  readonly #ringing = new Set<WakeChannel>()
  readonly #again = new Set<WakeChannel>()

  /** @param send carries a statement out that is a transaction of its own. */
  constructor(send: (text: string) => Promise<void>) {
    this.#send = send
  }

  /** Never fails: a nudge that is lost costs the time until the next look. */
  ring(channel: WakeChannel): void {
    if (this.#ringing.has(channel)) {
      this.#again.add(channel)
      return
    }
    this.#ringing.add(channel)
    const rung = (): void => {
      this.#ringing.delete(channel)
      if (this.#again.delete(channel)) this.ring(channel)
    }
    this.#send(`select set_config('synchronous_commit', 'off', true), pg_notify('${channel}', '')`).then(rung, rung)
  }
}
