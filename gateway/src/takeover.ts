/**
 * Going on with the associations of the gateway that had the shard before, and leaving ours to the next one (design §4).
 *
 *   start     1. claim the shard: from now on the former holder commits nothing (`shard-holder.ts`);
 *             2. read the snapshots, look at each device again, import, all before the socket is read;
 *             3. with a lease of our own, take the sessions over: nobody is told, since the devices never left.
 *   meanwhile    marks before effects (`record-marks.ts`), snapshots of what changes (`snapshot-writer.ts`).
 *   hand-over 4. read no more, finish what is in flight, write the last snapshots, let go without a word.
 *
 * Redis is never believed: what it has may be gone, old or false. Then a device shakes hands again.
 */

import { between, type Clock, inSeconds } from '@sallyport/clock'
import type { CoapsImporter, CoapsServer, ImportedObservation, SealingKeys } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import type { AssociationSnapshots } from '@sallyport/events'
import type { AssociationMark, Store, TelemetryRow } from '@sallyport/store'
import { type AssociationSnapshotContent, encodeSnapshot } from './association-snapshot.ts'
import type { DeviceIdentity } from './device-identity.ts'
import type { DeviceAssociation, DeviceRequest } from './device-request.ts'
import type { GatewayMetrics } from './gateway-metrics.ts'
import type { LiveDevice, LiveDevices } from './live-devices.ts'
import { RecordMarks } from './record-marks.ts'
import { ShardHolder } from './shard-holder.ts'
import { type ReadSnapshot, readSnapshots } from './snapshot-reader.ts'
import { SnapshotWriter } from './snapshot-writer.ts'
import type { TwinObserver } from './twin-observer.ts'

export interface TakeoverOptions {
  readonly snapshots: AssociationSnapshots
  readonly store: Pick<Store, 'shards' | 'associationMarks' | 'certificates' | 'psks' | 'telemetry' | 'gateways'>
  readonly shard: number
  readonly gatewayId: string
  readonly keys: () => SealingKeys | undefined
  readonly server: () => Pick<CoapsServer<DeviceIdentity>, 'exportAssociation'>
  readonly devices: LiveDevices
  readonly twin: () => Pick<TwinObserver, 'resume' | 'watchedBy' | 'unwatch'>
  readonly metrics: () => Pick<GatewayMetrics, 'takenOver' | 'snapshots'>
  readonly clock: Clock
  readonly log: Logger
}

interface Resumed {
  readonly live: LiveDevice
  readonly content: AssociationSnapshotContent
}

export interface AdoptedSessions {
  /** Devices that are signed in, and of which something is still to be asked. */
  readonly asksOn: readonly LiveDevice[]
  /** Devices that are signed in as the database and they themselves know, by a session that no snapshot has: Redis was away. */
  readonly unknown: readonly LiveDevice[]
}

export class Takeover {
  readonly holder: ShardHolder
  readonly marks: RecordMarks
  readonly writer: SnapshotWriter
  readonly #options: TakeoverOptions
  /** The count of the claim under which a device shook hands, where it is not ours. */
  readonly #bornUnder = new Map<string, number>()
  #resumed: Resumed[] = []

  private constructor(options: TakeoverOptions, takeovers: number) {
    const { store, shard, gatewayId, clock, log } = options
    this.#options = options
    this.holder = new ShardHolder({ shards: store.shards, claim: { shard, gatewayId, takeovers }, clock, log })
    this.marks = new RecordMarks({ store, holder: this.holder })
    this.writer = new SnapshotWriter({
      snapshots: options.snapshots,
      shard,
      keys: options.keys,
      encode: (association, final) => this.#encode(association, final),
      clock,
      log,
      onWritten: (outcome, count) => options.metrics().snapshots.inc({ outcome }, count),
    })
  }

  /** @throws what the store throws: without a claim there are no numbers to go on with. */
  static async begin(options: TakeoverOptions): Promise<Takeover> {
    const { takeovers } = await options.store.shards.claim(options.shard, options.gatewayId)
    return new Takeover(options, takeovers)
  }

  start(): void {
    this.holder.start()
    this.writer.start()
  }

  /** Imports what there is. Resolves in any case: whatever fails costs handshakes. */
  async importAll(importer: CoapsImporter<DeviceIdentity>): Promise<void> {
    const { snapshots, store, shard, clock, log, metrics } = this.#options
    const startedAt = clock.now()
    const keys = this.#options.keys()
    if (keys === undefined) {
      log.warn({ shard }, 'nothing is taken over: there is no key to open snapshots with')
      return
    }
    const refusals: Record<string, number> = {}
    const refuse = (id: string, reason: string): void => {
      refusals[reason] = (refusals[reason] ?? 0) + 1
      metrics().takenOver.inc({ outcome: 'refused', reason })
      this.writer.remove([id])
    }
    try {
      const { usable, refused } = await readSnapshots({ snapshots, shard, keys, store, clock })
      for (const { id, reason } of refused) refuse(id, reason)
      for (const read of usable) {
        const reason = this.#import(importer, read)
        if (reason !== undefined) refuse(read.content.associationId, reason)
      }
    } catch (error) {
      log.warn({ shard, err: error }, 'snapshots could not be read: the devices shake hands again')
    }
    metrics().takenOver.inc({ outcome: 'imported', reason: '' }, this.#resumed.length)
    const { takeovers } = this.holder.claim
    const took = inSeconds(between(startedAt, clock.now()))
    log.info({ shard, takeovers, imported: this.#resumed.length, refused: refusals, took }, 'shard taken over')
  }

  /** Associations that go on here. */
  get keeps(): readonly string[] {
    return this.#resumed.map(({ content }) => content.associationId)
  }

  /**
   * The sessions of what was imported; to be called when the gateway is registered, before anything is served.
   */
  async adoptSessions(): Promise<AdoptedSessions> {
    const { store, gatewayId, devices, clock, log } = this.#options
    const resumed = this.#resumed
    this.#resumed = []
    const asked = resumed.map(({ live, content }) => ({
      deviceId: live.association.identity.deviceId,
      associationId: content.associationId,
    }))
    if (asked.length === 0) return { asksOn: [], unknown: [] }
    const adopted: Adopted = { known: new Set(), current: new Set(), ended: new Map() }
    for (let start = 0; start < asked.length; start += adoptedAtOnce) {
      const some = asked.slice(start, start + adoptedAtOnce)
      try {
        const { current, ended } = await store.gateways.adoptSessions(gatewayId, some)
        for (const id of current) adopted.current.add(id)
        for (const [id, reason] of ended) adopted.ended.set(id, reason)
        for (const { associationId } of some) adopted.known.add(associationId)
      } catch (error) {
        // Not known: each device is taken for silent, and declared online when it is heard of.
        log.warn({ err: error, devices: some.length }, 'sessions could not be taken over')
      }
    }
    const asksOn: LiveDevice[] = []
    const unknown: LiveDevice[] = []
    for (const { live, content } of resumed) {
      const { session, associationId, lastContact, expectedInterval } = content
      const presence = presenceAfter(adopted, associationId)
      if (session === undefined || presence === undefined || session.endsAt <= clock.now()) {
        if (session === undefined && adopted.current.has(associationId)) unknown.push(live)
        this.#options.twin().unwatch(live.association)
        continue
      }
      // Nobody could hear it meanwhile: its interval begins anew.
      live.session.resume(session, presence, presence === 'online' ? clock.now() : lastContact)
      live.expectedInterval = expectedInterval
      const before = devices.signIn(live)
      before?.association.close()
      if (content.asksOn || content.watched.length === 0) asksOn.push(live)
    }
    return { asksOn, unknown }
  }

  /** Before the handler of a request runs. @throws CodedError `shard-lost`, or what the store throws. */
  async admitted(request: DeviceRequest): Promise<void> {
    const mark = this.markOf(request)
    if (mark === undefined) return
    if (isSafe(request)) this.marks.note(mark.associationId, mark.recordSequence)
    else await this.marks.commit(mark.associationId, mark.recordSequence)
  }

  markOf({
    association,
    recordSequence,
  }: Pick<DeviceRequest, 'association' | 'recordSequence'>): AssociationMark | undefined {
    return recordSequence === undefined ? undefined : { associationId: association.id, recordSequence }
  }

  async append(rows: readonly TelemetryRow[], marks: readonly AssociationMark[]): Promise<void> {
    const { claim } = this.holder
    try {
      await this.#options.store.telemetry.append(rows, { marks, claim })
    } catch (error) {
      throw this.holder.noticed(error)
    }
    for (const mark of marks) this.marks.wasCommitted(mark)
  }

  closed(association: DeviceAssociation): void {
    this.#bornUnder.delete(association.id)
    this.marks.forget(association.id)
    this.writer.closed(association)
  }

  async stop(): Promise<void> {
    this.holder.stop()
    await this.marks.drain()
    await this.writer.stop()
  }

  /** @returns why not. */
  #import(importer: CoapsImporter<DeviceIdentity>, { content, recordMark }: ReadSnapshot): string | undefined {
    const { associationId: id, state, identity, openedAt, bornUnder, writtenUnder } = content
    const { takeovers } = this.holder.claim
    const generation = takeovers - bornUnder
    // Never written by us: another database, an older copy of ours, or somebody's invention.
    if (generation < 1 || writtenUnder >= takeovers) return 'generation-not-newer'
    const isNext = writtenUnder === takeovers - 1
    const outcome = importer.importAssociation({ id, state, identity, openedAt, generation, recordMark, isNext })
    if (typeof outcome === 'string') return outcome
    const { association } = outcome
    this.#bornUnder.set(id, bornUnder)
    this.#resume(association, content, outcome.observations)
    return undefined
  }

  #resume(
    association: DeviceAssociation,
    content: AssociationSnapshotContent,
    observations: readonly ImportedObservation[],
  ): void {
    const live = this.#options.devices.of(association)
    this.#options.twin().resume(association, content.watched, observations)
    this.#resumed.push({ live, content })
    // Ours from now on: the next one must not go on from the former one's.
    this.writer.changed(association)
  }

  #encode(association: DeviceAssociation, final: boolean): Uint8Array | undefined {
    const state = this.#options.server().exportAssociation(association, final)
    if (state === undefined) return undefined
    const live = this.#options.devices.of(association)
    const { state: session, lastContact } = live.session
    const { takeovers } = this.holder.claim
    return encodeSnapshot({
      associationId: association.id,
      openedAt: association.openedAt,
      writtenUnder: takeovers,
      bornUnder: this.#bornUnder.get(association.id) ?? takeovers,
      state,
      identity: association.identity,
      session: session.phase === 'signed-in' ? { signedInAt: session.signedInAt, endsAt: session.endsAt } : undefined,
      lastContact,
      expectedInterval: live.expectedInterval,
      ...this.#options.twin().watchedBy(association),
    })
  }
}

const isSafe = ({ method }: DeviceRequest): boolean => method === 'GET' || method === 'FETCH'

/** Well within the time of one call. */
const adoptedAtOnce = 2000

interface Adopted {
  /** Those that could be asked about. */
  readonly known: Set<string>
  readonly current: Set<string>
  readonly ended: Map<string, string>
}

/** Undefined: the session is over. */
function presenceAfter(adopted: Adopted, associationId: string): 'online' | 'silent' | undefined {
  if (!adopted.known.has(associationId)) return 'silent'
  if (adopted.current.has(associationId)) return 'online'
  const reason = adopted.ended.get(associationId)
  // It was declared offline while nobody could hear it, or it said nothing: signed in all the same.
  return reason === 'gateway-lost' || reason === 'no-contact' ? 'silent' : undefined
}
