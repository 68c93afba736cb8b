/**
 * Leaves sealed snapshots of the live associations in Redis, for the gateway that takes over.
 *
 * A change is there within a quarter of a second, in batches; what a device is told and would not say again (that it is signed
 * in, that its resources are published) is there before it is told. Each association that is heard of is written anew each
 * minute, so that windows and counts in it are not much older. Redis down, slow or empty costs a log line, a metric, and after a
 * crash the handshakes of the devices: never a request.
 */

import { randomBytes } from 'node:crypto'
import { between, type Clock, type Duration, type Instant, milliseconds, minutes } from '@sallyport/clock'
import { type SealingKeys, sealState } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError, hasCode } from '@sallyport/errors'
import type { AssociationSnapshot, AssociationSnapshots } from '@sallyport/events'
import type { DeviceAssociation } from './device-request.ts'

export interface SnapshotWriterOptions {
  readonly snapshots: Pick<AssociationSnapshots, 'put' | 'remove'>
  readonly shard: number
  readonly keys: () => SealingKeys | undefined
  /** The bytes of a snapshot, not sealed; undefined when the association is no more. */
  readonly encode: (association: DeviceAssociation, final: boolean) => Uint8Array | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly onWritten: (outcome: 'written' | 'failed', count: number) => void
}

const flushedEvery = milliseconds(250)
const longestWait = milliseconds(500)
const refreshedEvery = minutes(1)
/** Sealing takes some 50 µs each: the loop is not held for longer than a few milliseconds. */
const mostAtOnce = 200

export class SnapshotWriter {
  readonly #options: SnapshotWriterOptions
  /** Since when the snapshot is out of date; oldest first. */
  #changed = new Map<DeviceAssociation, Instant>()
  /** On their way to Redis as they were. */
  #writing = new Set<DeviceAssociation>()
  #closed = new Set<string>()
  readonly #writtenAt = new WeakMap<DeviceAssociation, Instant>()
  #timer: NodeJS.Timeout | undefined
  #underWay: Promise<void> | undefined
  #failing = false

  constructor(options: SnapshotWriterOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => void this.#flush(), flushedEvery)
  }

  /** How long the snapshot that waits longest has been out of date. */
  get delay(): Duration {
    const [oldest] = this.#changed.values()
    return oldest === undefined ? milliseconds(0) : between(oldest, this.#options.clock.now())
  }

  changed(association: DeviceAssociation): void {
    if (!association.closed && !this.#changed.has(association)) {
      this.#changed.set(association, this.#options.clock.now())
    }
  }

  /**
   * Resolves once a snapshot holds what is true of the association now. Where Redis does not take it, or not in time, it
   * resolves all the same: the snapshot follows when it can.
   */
  async written(association: DeviceAssociation): Promise<void> {
    this.changed(association)
    let tooLate = false
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      tooLate = true
      resolve()
    }, longestWait)
    const waits = () => this.#changed.has(association) || this.#writing.has(association)
    // What is under way was taken before the change: it takes two turns, or more where many wait.
    while (waits() && !this.#failing && !tooLate) await Promise.race([this.#flush(), late])
    clearTimeout(timer)
  }

  /** It was heard of. */
  heard(association: DeviceAssociation): void {
    const writtenAt = this.#writtenAt.get(association)
    if (writtenAt === undefined || this.#options.clock.now() - writtenAt > refreshedEvery) this.changed(association)
  }

  closed(association: DeviceAssociation): void {
    this.#changed.delete(association)
    this.#closed.add(association.id)
  }

  /** Refused by who loaded them: they are not to come again. */
  remove(ids: Iterable<string>): void {
    for (const id of ids) this.#closed.add(id)
  }

  /** Ends the timer; what is under way comes to its end, what waits is tried once. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#underWay
    await this.#flush()
  }

  /**
   * The last snapshots of all, from which a successor goes on exactly; nothing is handled any more.
   * @throws CodedError `cache-unavailable`, `dependency-unavailable` without a key: then there will be no successor.
   */
  async finish(associations: Iterable<DeviceAssociation>): Promise<number> {
    clearInterval(this.#timer)
    await this.#underWay
    const entries: AssociationSnapshot[] = []
    for (const association of associations) {
      const sealed = this.#sealOrLeave(association, true)
      if (sealed !== undefined) entries.push(sealed)
    }
    const { snapshots, shard } = this.#options
    await snapshots.put(shard, entries)
    if (this.#closed.size > 0) await snapshots.remove(shard, [...this.#closed])
    this.#options.onWritten('written', entries.length)
    return entries.length
  }

  #flush(): Promise<void> {
    this.#underWay ??= this.#write().finally(() => {
      this.#writing = new Set()
      this.#underWay = undefined
    })
    return this.#underWay
  }

  async #write(): Promise<void> {
    const due = [...this.#changed].slice(0, mostAtOnce)
    const gone = [...this.#closed]
    if (due.length === 0 && gone.length === 0) return
    const { snapshots, shard, clock, log, onWritten } = this.#options
    const entries: AssociationSnapshot[] = []
    this.#writing = new Set(due.map(([association]) => association))
    try {
      for (const [association] of due) {
        const sealed = this.#sealOrLeave(association, false)
        if (sealed !== undefined) entries.push(sealed)
        this.#changed.delete(association)
      }
      if (entries.length > 0) await snapshots.put(shard, entries)
      if (gone.length > 0) await snapshots.remove(shard, gone)
    } catch (error) {
      // Once more at the next turn, behind what has waited as long.
      this.#changed = new Map([...due.filter(([association]) => !association.closed), ...this.#changed])
      if (!this.#failing) log.warn({ err: error }, 'snapshots of associations cannot be written')
      this.#failing = true
      onWritten('failed', due.length)
      return
    }
    const now = clock.now()
    for (const [association] of due) this.#writtenAt.set(association, now)
    for (const id of gone) this.#closed.delete(id)
    if (this.#failing) log.info({}, 'snapshots of associations are written again')
    this.#failing = false
    if (entries.length > 0) onWritten('written', entries.length)
  }

  /** One association that cannot be written down keeps none of the others from it: its device shakes hands again, some day. */
  #sealOrLeave(association: DeviceAssociation, final: boolean): AssociationSnapshot | undefined {
    try {
      return this.#seal(association, final)
    } catch (error) {
      if (hasCode(error, 'dependency-unavailable')) throw error
      this.#options.log.error(
        { association: association.id, err: error },
        'an association cannot be kept for a successor',
      )
      return undefined
    }
  }

  #seal(association: DeviceAssociation, final: boolean): AssociationSnapshot | undefined {
    const keys = this.#options.keys()
    if (keys === undefined) throw new CodedError('dependency-unavailable', 'There is no key to seal snapshots with.')
    const content = association.closed ? undefined : this.#options.encode(association, final)
    if (content === undefined) return undefined
    return { id: association.id, sealed: sealState(keys, 'association', content, randomBytes(12)) }
  }
}
