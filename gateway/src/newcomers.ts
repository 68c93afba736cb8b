/**
 * Newcomers and the work that they are: looked up at the handshake, signed in. Each is several transactions, so a fleet that comes
 * back at once begins more handshakes than the database has sign-ins for; if all were let in, nobody would get through.
 *
 *   - Sign-ins are carried out a few at a time, in the order in which they came; the others wait here, not in the
 *     queue for the database, in which everything else would wait behind them.
 *   - While many are under way, `areTooMany`: who begins a handshake is not heard, and tries again by its own timer. Who has come
 *     in and has not asked for anything counts for a moment: a slow network must not cost others their place.
 */

import { type Clock, type Duration, type Instant, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { DeviceAssociation, DeviceRequest } from './device-request.ts'
import { WorkQueue } from './work-queue.ts'

export interface NewcomersOptions {
  readonly clock: Clock
  /** Carried out at a time. Default 8: the database has ten connections for us, and commits are the most of it. */
  readonly atOnce?: number
  /** Looked up, waiting and carried out together; beyond it no handshake begins. Default 100. */
  readonly most?: number
  /** In the queue, before the device is told to come later. Default 10 s. */
  readonly longestWait?: Duration
}

/** A device has one; a second may come when it has given up the first. */
const mostOfAssociation = 2
const expectedToAskWithin = seconds(2)
/** One statement each. */
const lookedUpAtOnce = 4

export class Newcomers {
  readonly #clock: Clock
  readonly #signIns: WorkQueue
  readonly #lookUps = new WorkQueue(lookedUpAtOnce)
  readonly #most: number
  readonly #longestWait: Duration
  readonly #byAssociation = new Map<string, number>()
  /** Came in, and asked for nothing yet; oldest first. */
  readonly #silent = new Map<string, Instant>()

  constructor({ clock, atOnce = 8, most = 100, longestWait = seconds(10) }: NewcomersOptions) {
    this.#clock = clock
    this.#signIns = new WorkQueue(atOnce)
    this.#most = most
    this.#longestWait = longestWait
  }

  get count(): number {
    const before = this.#clock.now() - expectedToAskWithin
    for (const [id, since] of this.#silent) {
      if (since > before) break
      this.#silent.delete(id)
    }
    return this.#lookUps.size + this.#signIns.size + this.#silent.size
  }

  get areTooMany(): boolean {
    return this.count >= this.#most
  }

  opened(association: DeviceAssociation): void {
    this.#silent.set(association.id, this.#clock.now())
  }

  closed(association: DeviceAssociation): void {
    this.#silent.delete(association.id)
  }

  /** The look-up of a peer at its handshake. @throws CodedError `overloaded` when it waited too long; what the work throws */
  lookUp<T>(work: () => Promise<T>): Promise<T> {
    return this.#lookUps.run(work, this.#longestWait)
  }

  /** Of a device's request, what is to be one of `atOnce`. @throws CodedError `overloaded` for who waited too long or asks twice over. */
  async inTurn<T>({ association }: DeviceRequest, work: () => Promise<T>): Promise<T> {
    const { id } = association
    this.#silent.delete(id)
    const own = this.#byAssociation.get(id) ?? 0
    if (own >= mostOfAssociation) throw new CodedError('overloaded', 'The same was asked already; wait for its answer.')
    this.#byAssociation.set(id, own + 1)
    try {
      return await this.#signIns.run(work, this.#longestWait)
    } finally {
      const left = (this.#byAssociation.get(id) ?? 1) - 1
      if (left === 0) this.#byAssociation.delete(id)
      else this.#byAssociation.set(id, left)
    }
  }
}
