/**
 * The newest record of each association that has had an effect, committed before the effect (or, by telemetry, with it).
 *
 * A successor that goes on from an old snapshot has an old replay window; below the mark it refuses every record, so that what
 * somebody captured and plays back has no second effect. Whatever changes something passes here first, by one gate for all
 * resources. Marks of some milliseconds are one commit; it fails when the shard is another's, and with it what wanted to happen.
 */

import { type Duration, milliseconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { AssociationMark, Store } from '@sallyport/store'
import type { ShardHolder } from './shard-holder.ts'

export interface RecordMarksOptions {
  readonly store: { readonly associationMarks: Pick<Store['associationMarks'], 'commit'> }
  readonly holder: Pick<ShardHolder, 'claim' | 'noticed'>
  /** How long the first mark of a commit waits for company; default 4 ms. */
  readonly gatherFor?: Duration
}

interface Waiting {
  readonly mark: AssociationMark
  readonly committed: () => void
  readonly failed: (error: unknown) => void
}

const mostWaiting = 10_000
const mostAtOnce = 2000

export class RecordMarks {
  readonly #options: RecordMarksOptions
  /** Of associations that are open; -1: none yet. */
  readonly #committed = new Map<string, number>()
  #waiting: Waiting[] = []
  /** Nobody waits for these: they go along with the next commit. */
  #noted = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  /** What the timer was set to. */
  #within = milliseconds(0)
  #underWay: Promise<void> | undefined

  constructor(options: RecordMarksOptions) {
    this.#options = options
  }

  /**
   * Resolves when the mark is committed.
   * @throws CodedError `shard-lost`, `overloaded`, or what the store throws: then the effect must not happen.
   */
  commit(associationId: string, recordSequence: number): Promise<void> {
    if (this.#committedOf(associationId) >= recordSequence) return Promise.resolve()
    if (this.#waiting.length >= mostWaiting) {
      return Promise.reject(new CodedError('overloaded', 'The database is behind; send it again later.'))
    }
    return new Promise((committed, failed) => {
      this.#waiting.push({ mark: { associationId, recordSequence }, committed, failed })
      this.#gather(this.#options.gatherFor ?? milliseconds(4))
    })
  }

  /** Of a request that changed nothing: its mark saves nothing but work, and goes with the others. */
  note(associationId: string, recordSequence: number): void {
    if (this.#committedOf(associationId) >= recordSequence) return
    this.#noted.set(associationId, Math.max(recordSequence, this.#noted.get(associationId) ?? -1))
    this.#gather(milliseconds(1000))
  }

  /** Committed together with its effect. */
  wasCommitted({ associationId, recordSequence }: AssociationMark): void {
    const before = this.#committed.get(associationId)
    // Closed meanwhile: nobody would forget it.
    if (before !== undefined && recordSequence > before) this.#committed.set(associationId, recordSequence)
  }

  /** Associations of which something is kept. */
  get size(): number {
    return this.#committed.size
  }

  /** The association is closed: nothing of it comes any more. */
  forget(associationId: string): void {
    this.#committed.delete(associationId)
    this.#noted.delete(associationId)
  }

  /** Resolves when nothing waits any more. */
  async drain(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#waiting.length > 0 || this.#noted.size > 0 || this.#underWay !== undefined) await this.#flush()
  }

  #committedOf(associationId: string): number {
    const known = this.#committed.get(associationId)
    if (known === undefined) this.#committed.set(associationId, -1)
    return known ?? -1
  }

  /** A timer that comes no later is left alone: under load there is always somebody who comes just before it. */
  #gather(within: Duration): void {
    if (this.#timer !== undefined && within >= this.#within) return
    clearTimeout(this.#timer)
    this.#within = within
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#flush()
    }, within)
  }

  /** One commit at a time: what comes meanwhile gathers. Never rejects. */
  #flush(): Promise<void> {
    this.#underWay ??= this.#commitSome().finally(() => {
      this.#underWay = undefined
      if (this.#waiting.length > 0 && this.#timer === undefined) this.#gather(milliseconds(0))
    })
    return this.#underWay
  }

  async #commitSome(): Promise<void> {
    const waiting = this.#waiting.splice(0, mostAtOnce)
    const noted = this.#noted
    this.#noted = new Map()
    const marks = waiting.map(({ mark }) => mark)
    for (const [associationId, recordSequence] of noted) marks.push({ associationId, recordSequence })
    if (marks.length === 0) return
    const { store, holder } = this.#options
    try {
      await store.associationMarks.commit(marks, holder.claim)
    } catch (error) {
      holder.noticed(error)
      for (const { failed } of waiting) failed(error)
      return
    }
    for (const mark of marks) this.wasCommitted(mark)
    for (const { committed } of waiting) committed()
  }
}
