/**
 * Live events, fanned out from the one order that Postgres gives them to the people who watch.
 *
 * Positions have no holes. What Redis brings in its place is passed on at once; what it does not bring, or brings out of order,
 * is read from Postgres: a Redis that is empty, slow, lying about an order or gone delays events by a moment, and neither loses
 * nor doubles one. Every node does this for its own watchers.
 *
 * Who comes back names the last event it knows and gets what came after it: from a window in memory, or from Postgres, which
 * keeps a week. Where that is too much or too long ago, it is told to read the present state instead.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { milliseconds, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { type OutboxRow, type PublishedEvent, type RedisOptions, subscribeEvents } from '@sallyport/events'
import type { Store } from '@sallyport/store'
import { type EventFilter, matches } from './event-filter.ts'

/** An event as it is passed on: written once, however many watch. */
export interface LiveEvent {
  readonly position: number
  readonly event: PublishedEvent
  readonly json: string
}

export interface Watching {
  /**
   * Settles once the watcher has what came after the event it named; without one it watches from the call on. `complete` is false
   * when events since then are lost to it: it has to read the present state. `after` is what to name to go on from here; undefined
   * while the organization has no event.
   * Rejects with CodedError `database-unavailable` when what was missed cannot be read.
   */
  readonly begun: Promise<{ readonly complete: boolean; readonly after: string | undefined }>
  /** The last event that was passed on or passed over: what to name to go on from now. */
  readonly after: string | undefined
  stop(): void
}

export interface Watcher {
  readonly filter: EventFilter
  readonly lastEventId: string | undefined
  onEvent(event: LiveEvent): void
  /** Events may be lost to all: read the present state. */
  onLost(): void
  /** Resolves when more may be sent at once: asked between parts of what was missed. */
  ready?(): Promise<void>
}

export interface LiveEvents {
  watch(watcher: Watcher): Watching
  readonly watchers: number
  /** How many events came through Postgres because Redis did not bring them in time. */
  readonly recovered: number
  close(): Promise<void>
}

export interface LiveEventsOptions {
  readonly redis: RedisOptions
  readonly store: Pick<Store, 'outbox' | 'listen'>
  readonly log: Logger
  /** How many recent events are kept in memory. Default 2000. */
  readonly windowSize?: number
  /** Who missed more than this reads the present state. Default 10 000, of which a filter may choose a few. */
  readonly mostMissed?: number
}

/** How long Redis has for bringing what Postgres says is there. */
const patience = milliseconds(100)
/** For notifications that were lost. */
const lookedEvery = seconds(1)
const readAtOnce = 500
const mostEarly = 4096
const passedAtOnce = 64

/** Passes on what gets its position from now on. @throws CodedError `database-unavailable` */
export async function followEvents(options: LiveEventsOptions): Promise<LiveEvents> {
  const follower = new Follower(options, await options.store.outbox.head())
  await follower.begin()
  return follower
}

interface Registered extends Watcher {
  /** Positions up to this one were dealt with. */
  position: number
  after: string | undefined
  stopped: boolean
}

class Follower implements LiveEvents {
  readonly #options: LiveEventsOptions
  readonly #windowSize: number
  readonly #mostMissed: number
  /** By organization. */
  readonly #watchers = new Map<string, Set<Registered>>()
  /** The last events in order, without holes, up to `#position`. */
  #window: LiveEvent[] = []
  /** The last event of each organization that had one since the start. */
  readonly #latest = new Map<string, string>()
  #position: number
  /** The highest position that is known to have been given. */
  #head: number
  /** What Redis brought too early. */
  readonly #early = new Map<number, OutboxRow>()
  #catchingUp: Promise<void> | undefined
  #patience: NodeJS.Timeout | undefined
  readonly #closers: (() => unknown)[] = []
  #closed = false
  watchers = 0
  recovered = 0

  constructor(options: LiveEventsOptions, position: number) {
    this.#options = options
    this.#windowSize = options.windowSize ?? 2000
    this.#mostMissed = options.mostMissed ?? 10_000
    this.#position = position
    this.#head = position
  }

  async begin(): Promise<void> {
    const { redis, store, log } = this.#options
    const look = (): void => {
      store.outbox.head().then(
        (head) => this.#expect(head),
        // Whoever cannot be asked now is asked again.
        () => undefined,
      )
    }
    this.#closers.push(await store.listen('events', (payload) => this.#expect(Number(payload)), look))
    const subscription = subscribeEvents({ redis, log, onEvent: (row) => this.#take(row) })
    this.#closers.push(() => subscription.close())
    const looking = setInterval(look, lookedEvery)
    this.#closers.push(() => clearInterval(looking))
    look()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#patience)
    for (const close of this.#closers.splice(0)) await close()
    await this.#catchingUp
  }

  watch(watcher: Watcher): Watching {
    const registered: Registered = { ...bound(watcher), position: this.#position, after: undefined, stopped: false }
    this.watchers += 1
    const begun = this.#begin(registered)
    return {
      begun,
      get after() {
        return registered.after
      },
      stop: () => {
        if (registered.stopped) return
        registered.stopped = true
        this.watchers -= 1
        const { organizationId } = registered.filter
        const others = this.#watchers.get(organizationId)
        others?.delete(registered)
        if (others?.size === 0) this.#watchers.delete(organizationId)
      },
    }
  }

  async #begin(watcher: Registered): Promise<{ complete: boolean; after: string | undefined }> {
    const { lastEventId, filter } = watcher
    const { organizationId } = filter
    if (lastEventId === undefined) {
      this.#register(watcher)
      const latest = await this.#latestOf(organizationId, watcher.position).catch(() => undefined)
      watcher.after ??= latest
      return { complete: true, after: watcher.after }
    }
    const known = this.#positionInWindow(lastEventId, organizationId)
    const position = known ?? (await this.#positionOf(filter, lastEventId))
    if (position !== undefined && (await this.#replay(watcher, position))) {
      // In one go: nothing comes between the last look at the window and the live events.
      for (const live of this.#window) this.#offer(watcher, live)
      watcher.position = Math.max(watcher.position, this.#position)
      this.#register(watcher)
      watcher.after ??= lastEventId
      return { complete: true, after: watcher.after }
    }
    watcher.position = this.#position
    watcher.after = undefined
    this.#register(watcher)
    const latest = await this.#latestOf(organizationId, watcher.position)
    watcher.after ??= latest
    return { complete: false, after: watcher.after }
  }

  #register(watcher: Registered): void {
    if (watcher.stopped) return
    const { organizationId } = watcher.filter
    const others = this.#watchers.get(organizationId) ?? new Set()
    this.#watchers.set(organizationId, others.add(watcher))
  }

  /**
   * What was missed, a part at a time and only as fast as the watcher takes it: from Postgres until the window goes on, then from
   * the window up to its last few. False when it would be too much.
   */
  async #replay(watcher: Registered, from: number): Promise<boolean> {
    watcher.position = from
    for (let passed = 0; !watcher.stopped; passed += passedAtOnce) {
      if (passed >= this.#mostMissed) return false
      if (watcher.position < this.#windowStart) await this.#replayFromStore(watcher)
      else if (this.#position - watcher.position > passedAtOnce) this.#replayFromWindow(watcher)
      else return true
      await nextTurn()
      await watcher.ready?.()
    }
    return true
  }

  async #replayFromStore(watcher: Registered): Promise<void> {
    const { organizationId } = watcher.filter
    const range = { after: watcher.position, upTo: this.#position, limit: passedAtOnce }
    const rows = await this.#options.store.outbox.ofOrganization(organizationId, range)
    for (const row of rows) this.#offer(watcher, liveEvent(row))
    if (rows.length < passedAtOnce) watcher.position = range.upTo
  }

  #replayFromWindow(watcher: Registered): void {
    const start = watcher.position - this.#windowStart
    const part = this.#window.slice(start, start + passedAtOnce)
    for (const live of part) this.#offer(watcher, live)
    watcher.position = part.at(-1)?.position ?? watcher.position
  }

  /** Watchers from this position on are served from the window alone. */
  get #windowStart(): number {
    return this.#position - this.#window.length
  }

  #positionInWindow(eventId: string, organizationId: string): number | undefined {
    return this.#window.find(({ event }) => event.id === eventId && event.organizationId === organizationId)?.position
  }

  async #positionOf({ organizationId }: EventFilter, eventId: string): Promise<number | undefined> {
    return isUuid(eventId) ? this.#options.store.outbox.positionOf(organizationId, eventId) : undefined
  }

  async #latestOf(organizationId: string, upTo: number): Promise<string | undefined> {
    return this.#latest.get(organizationId) ?? this.#options.store.outbox.latestOf(organizationId, upTo)
  }

  #offer(watcher: Registered, live: LiveEvent): void {
    if (live.position <= watcher.position || live.event.organizationId !== watcher.filter.organizationId) return
    watcher.position = live.position
    watcher.after = live.event.id
    if (!watcher.stopped && matches(watcher.filter, live.event)) watcher.onEvent(live)
  }

  /** From Redis: believed when it is the next one, otherwise a hint that there is more. */
  #take(row: OutboxRow): void {
    if (row.position <= this.#position) return
    if (row.position > this.#position + 1) {
      // Of another relay, most often, that was a little faster.
      if (this.#early.size >= mostEarly) this.#early.clear()
      this.#early.set(row.position, row)
      this.#expect(row.position)
      return
    }
    for (let next: OutboxRow | undefined = row; next !== undefined; next = this.#early.get(this.#position + 1)) {
      this.#early.delete(next.position)
      this.#pass(next)
    }
  }

  #expect(head: number): void {
    if (Number.isSafeInteger(head) && head > this.#head) this.#head = head
    this.#waitForRedis()
  }

  #waitForRedis(): void {
    if (this.#head <= this.#position || this.#patience !== undefined || this.#closed) return
    const due = this.#head
    this.#patience = setTimeout(() => {
      this.#patience = undefined
      if (due > this.#position) void this.#catchUp()
      else this.#waitForRedis()
    }, patience)
  }

  #catchUp(): Promise<void> {
    this.#catchingUp ??= this.#readOn()
      .catch((error: unknown) => {
        this.#options.log.warn({ err: error }, 'events that Redis did not bring could not be read')
      })
      .finally(() => {
        this.#catchingUp = undefined
        this.#waitForRedis()
      })
    return this.#catchingUp
  }

  async #readOn(): Promise<void> {
    while (!this.#closed) {
      const expected = this.#head
      const asked = this.#position
      const rows = await this.#options.store.outbox.after(asked, readAtOnce)
      const [first] = rows
      // What lies in between is older than what Postgres keeps: this node was away for a week.
      if (first !== undefined && first.position > asked + 1 && this.#position === asked)
        this.#skipTo(first.position - 1)
      for (const [index, row] of rows.entries()) {
        // Readers that keep up must not look slow because of one large turn of the loop.
        if (index % passedAtOnce === passedAtOnce - 1) await nextTurn()
        if (row.position !== this.#position + 1) continue
        this.#pass(row)
        this.recovered += 1
      }
      if (rows.length === readAtOnce) continue
      if (this.#position < expected && this.#head === expected) {
        // A position beyond was never given: Redis said so, and is not believed.
        this.#head = this.#position
        this.#early.clear()
      }
      return
    }
  }

  #skipTo(position: number): void {
    this.#position = position
    this.#window = []
    for (const watchers of this.#watchers.values()) for (const watcher of watchers) watcher.onLost()
  }

  #pass(row: OutboxRow): void {
    const live = liveEvent(row)
    const { organizationId, id } = row.event
    this.#position = row.position
    this.#head = Math.max(this.#head, row.position)
    this.#latest.set(organizationId, id)
    this.#window.push(live)
    // In large steps: moving the whole window for each event would cost more than the event.
    if (this.#window.length >= 2 * this.#windowSize) this.#window = this.#window.slice(-this.#windowSize)
    for (const watcher of this.#watchers.get(organizationId) ?? []) this.#offer(watcher, live)
  }
}

function bound(watcher: Watcher): Watcher {
  return {
    filter: watcher.filter,
    lastEventId: watcher.lastEventId,
    onEvent: (event) => watcher.onEvent(event),
    onLost: () => watcher.onLost(),
    ...(watcher.ready === undefined ? {} : { ready: () => watcher.ready?.() ?? Promise.resolve() }),
  }
}

function liveEvent({ position, event }: OutboxRow): LiveEvent {
  let json: string | undefined
  return {
    position,
    event,
    get json() {
      json ??= JSON.stringify(event)
      return json
    },
  }
}

const isUuid = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
