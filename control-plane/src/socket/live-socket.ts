/**
 * One web socket (RFC 6455) of one caller, from the ticket on: what it asks for, what it is sent, and why it ends.
 *
 * Nothing about a peer is kept without a bound: what waits to be read, what is not acknowledged, subscriptions, and messages and
 * pings in a second. Who goes beyond is closed with a code that says so; it loses nothing, since it comes back with the last event
 * it knows. A socket that only listens costs no timer of its own.
 */

import type { Duplex } from 'node:stream'
import { type Clock, type Instant, toRfc3339 } from '@sallyport/clock'
import { hasCode, isCodedError } from '@sallyport/errors'
import type { Permission } from '@sallyport/fleet'
import { Compile } from 'typebox/compile'
import type { RawData, WebSocket } from 'ws'
import type { Caller } from '../caller.ts'
import type { ControlPlaneMetrics, StreamEnd } from '../control-plane-metrics.ts'
import { isPersonal } from '../event-filter.ts'
import { type AccessEnd, personOf } from '../live-access.ts'
import type { LiveEvent, LiveEvents, Watching } from '../live-events.ts'
import { askedEvents } from '../route/events/asked-events.ts'
import { type ClientMessage, clientMessages, closeCodes } from './socket-messages.ts'

export interface SocketLimits {
  readonly mostSubscriptions: number
  readonly mostMessageBytes: number
  readonly messagesPerSecond: number
  readonly mostUnacknowledged: number
  /** What may wait for the reader, in bytes. */
  readonly mostBufferedBytes: number
  readonly heartbeatSeconds: number
}

export interface SocketPorts {
  readonly clock: Clock
  readonly liveEvents: LiveEvents
  readonly metrics: ControlPlaneMetrics
  /** Why the caller may not go on; undefined: it may. */
  endOfAccess(caller: Caller, permission: Permission | undefined): Promise<AccessEnd | undefined>
}

interface Subscription {
  readonly watching: Watching
  readonly permission: Permission | undefined
  /** What the client was last told about where it stands. */
  told: string | undefined
}

const checks = {
  subscribe: Compile(clientMessages.subscribe),
  unsubscribe: Compile(clientMessages.unsubscribe),
  acknowledge: Compile(clientMessages.acknowledge),
  ping: Compile(clientMessages.ping),
}
const permission: Permission = 'events:read'

export class LiveSocket {
  readonly caller: Caller
  readonly #socket: WebSocket
  /** Beneath the frames: written to the network once for each turn of the loop. */
  readonly #stream: Duplex
  readonly #ports: SocketPorts
  readonly #limits: SocketLimits
  readonly #subscriptions = new Map<string, Subscription>()
  #sequence = 0
  /** Undefined: this client acknowledges nothing. */
  #acknowledged: number | undefined
  #allowance: number
  #refilledAt: Instant
  #heardAt: Instant
  #beatAt: Instant
  #corked = false
  #sent = 0
  #end: StreamEnd | undefined
  readonly #onEnded: (socket: LiveSocket) => void

  constructor(
    connection: { readonly socket: WebSocket; readonly stream: Duplex; readonly caller: Caller },
    ports: SocketPorts,
    limits: SocketLimits,
    onEnded: (socket: LiveSocket) => void,
  ) {
    const now = ports.clock.now()
    this.caller = connection.caller
    this.#socket = connection.socket
    this.#stream = connection.stream
    this.#ports = ports
    this.#limits = limits
    this.#onEnded = onEnded
    this.#allowance = limits.messagesPerSecond * 2
    this.#refilledAt = now
    this.#heardAt = now
    this.#beatAt = now
    this.#socket.on('message', (data, isBinary) => this.#take(data, isBinary))
    this.#socket.on('ping', (data) => {
      if (this.#spend()) this.#socket.pong(data)
    })
    this.#socket.on('pong', () => {
      this.#heardAt = this.#ports.clock.now()
    })
    this.#socket.on('close', () => this.#ended())
    // What the library finds broken (a frame too long, text that is no UTF-8) it closes with the protocol's own code.
    this.#socket.on('error', () => this.#stopAs('broken-message'))
    ports.metrics.streamOpened('socket')
    this.#tell({
      type: 'welcome',
      heartbeatSeconds: limits.heartbeatSeconds,
      mostSubscriptions: limits.mostSubscriptions,
      mostMessageBytes: limits.mostMessageBytes,
      expiresAt: toRfc3339(this.caller.expiresAt),
    })
  }

  /** Called each second for all sockets by whoever holds them. */
  beat(now: Instant): void {
    if (this.#end !== undefined) return
    if (now >= this.caller.expiresAt) return this.end('token-expired')
    const since = now - this.#beatAt
    if (since < this.#limits.heartbeatSeconds * 1000) return
    // Two heartbeats without a word: the network has swallowed the end of it.
    if (now - this.#heardAt > this.#limits.heartbeatSeconds * 2500) return this.end('silent')
    this.#beatAt = now
    this.#socket.ping()
    for (const [subscription, known] of this.#subscriptions) {
      const { after } = known.watching
      if (after === undefined || after === known.told) continue
      known.told = after
      this.#tell({ type: 'position', subscription, after })
    }
    void this.askAgain()
  }

  /** What the socket was allowed is looked up anew. */
  async askAgain(): Promise<void> {
    const needed = [...this.#subscriptions.values()].some((subscription) => subscription.permission !== undefined)
    const end = await this.#ports.endOfAccess(this.caller, needed ? permission : undefined)
    if (end !== undefined) this.end(end)
  }

  end(reason: Exclude<StreamEnd, 'client' | 'origin-refused' | 'ticket-refused' | 'too-many-streams'>): void {
    if (!this.#stopAs(reason)) return
    this.#socket.close(closeCodes[reason].code, reason)
    // A reader that reads nothing would keep the goodbye waiting, too.
    if (reason === 'too-slow' || reason === 'silent') setTimeout(() => this.#socket.terminate(), 1000).unref()
  }

  /** Without a goodbye. */
  cut(): void {
    this.#socket.terminate()
  }

  /** False when it had ended before. */
  #stopAs(reason: StreamEnd): boolean {
    if (this.#end !== undefined) return false
    this.#end = reason
    for (const { watching } of this.#subscriptions.values()) watching.stop()
    this.#subscriptions.clear()
    return true
  }

  #ended(): void {
    this.#stopAs('client')
    this.#ports.metrics.streamClosed('socket', this.#end ?? 'client')
    this.#onEnded(this)
  }

  #take(data: RawData, isBinary: boolean): void {
    this.#heardAt = this.#ports.clock.now()
    if (this.#end !== undefined || !this.#spend()) return
    const message = isBinary ? undefined : read(data)
    if (message === undefined) return this.end('broken-message')
    switch (message.type) {
      case 'subscribe':
        return void this.#subscribe(message)
      case 'unsubscribe':
        return this.#unsubscribe(message.subscription)
      case 'acknowledge':
        return this.#acknowledge(message.sequence)
      case 'ping':
        return this.#tell({ type: 'pong' })
    }
  }

  /** A bucket that fills as time goes by: pings and messages take from it alike. */
  #spend(): boolean {
    const now = this.#ports.clock.now()
    const { messagesPerSecond } = this.#limits
    const refill = ((now - this.#refilledAt) / 1000) * messagesPerSecond
    this.#allowance = Math.min(messagesPerSecond * 2, this.#allowance + refill) - 1
    this.#refilledAt = now
    if (this.#allowance >= 0) return true
    this.end('too-many-messages')
    return false
  }

  async #subscribe(message: Extract<ClientMessage, { type: 'subscribe' }>): Promise<void> {
    const { subscription, after, ...named } = message
    try {
      if (this.#subscriptions.has(subscription))
        return this.#refuse('conflict', 'This subscription is there already.', subscription)
      if (this.#subscriptions.size >= this.#limits.mostSubscriptions)
        return this.#refuse('rate-limited', `At most ${this.#limits.mostSubscriptions} subscriptions.`, subscription)
      const asked = askedEvents(named)
      const needed = asked.topics.length > 0 && asked.topics.every(isPersonal) ? undefined : permission
      let allowed = false
      const held: LiveEvent[] = []
      const watching = this.#ports.liveEvents.watch({
        filter: {
          organizationId: this.caller.organizationId,
          userId: personOf(this.caller),
          ...asked,
        },
        lastEventId: after,
        // Nothing is sent before the caller is known to be allowed it: what comes meanwhile waits.
        onEvent: (event) => (allowed ? this.#sendEvent(subscription, event) : held.push(event)),
        onLost: () => this.#tell({ type: 'reset', subscription, reason: 'events-lost' }),
        ready: () => this.#drained(),
      })
      const known: Subscription = { watching, permission: needed, told: undefined }
      this.#subscriptions.set(subscription, known)
      // Handled below, where it is awaited; it may reject before.
      watching.begun.catch(() => undefined)
      const end = await this.#ports.endOfAccess(this.caller, needed)
      if (end === 'permission-lost') {
        this.#forget(subscription)
        return this.#refuse('permission-denied', `The permission ${permission} is missing.`, subscription)
      }
      if (end !== undefined) return this.end(end)
      allowed = true
      for (const event of held) this.#sendEvent(subscription, event)
      const begun = await watching.begun
      if (this.#subscriptions.get(subscription) !== known) return
      if (!begun.complete) this.#tell({ type: 'reset', subscription, reason: 'events-lost' })
      known.told = begun.after
      this.#tell({ type: 'subscribed', subscription, after: begun.after ?? null })
    } catch (error) {
      this.#forget(subscription)
      if (hasCode(error, 'database-unavailable')) return this.end('unavailable')
      if (isCodedError(error)) return this.#refuse(error.code, error.message, subscription)
      this.end('unavailable')
    }
  }

  #forget(subscription: string): void {
    this.#subscriptions.get(subscription)?.watching.stop()
    this.#subscriptions.delete(subscription)
  }

  #unsubscribe(subscription: string): void {
    if (!this.#subscriptions.has(subscription))
      return this.#refuse('not-found', 'There is no such subscription.', subscription)
    this.#forget(subscription)
    this.#tell({ type: 'unsubscribed', subscription })
  }

  #acknowledge(sequence: number): void {
    if (sequence > this.#sequence) return this.end('broken-message')
    this.#acknowledged = Math.max(this.#acknowledged ?? 0, sequence)
  }

  #refuse(code: string, detail: string, subscription: string): void {
    this.#tell({ type: 'problem', code, detail, subscription })
  }

  #sendEvent(subscription: string, { event, json }: LiveEvent): void {
    if (this.#end !== undefined) return
    this.#sequence += 1
    const known = this.#subscriptions.get(subscription)
    if (known !== undefined) known.told = event.id
    this.#sent += 1
    this.#send(`{"type":"event","subscription":"${subscription}","sequence":${this.#sequence},"event":${json}}`)
    const { mostUnacknowledged } = this.#limits
    if (this.#acknowledged !== undefined && this.#sequence - this.#acknowledged > mostUnacknowledged)
      this.end('too-slow')
  }

  #tell(message: object): void {
    if (this.#end === undefined) this.#send(JSON.stringify(message))
  }

  #send(text: string): void {
    if (!this.#corked) {
      this.#corked = true
      this.#stream.cork()
      setImmediate(() => this.#flush())
    }
    this.#socket.send(text)
    if (this.#socket.bufferedAmount > this.#limits.mostBufferedBytes) {
      this.#flush()
      // What the network takes at once is not waiting.
      if (this.#socket.bufferedAmount > this.#limits.mostBufferedBytes) this.end('too-slow')
    }
  }

  #flush(): void {
    if (!this.#corked) return
    this.#corked = false
    this.#stream.uncork()
    if (this.#sent > 0) this.#ports.metrics.eventsSent('socket', this.#sent)
    this.#sent = 0
  }

  /** What was missed is read from Postgres only as fast as it is read here. */
  async #drained(): Promise<void> {
    this.#flush()
    if (this.#end !== undefined || !this.#stream.writableNeedDrain) return
    await new Promise<void>((resolve) => {
      this.#stream.once('drain', resolve)
      this.#socket.once('close', () => resolve())
    })
  }
}

/** Undefined: no message that is described. */
function read(data: RawData): ClientMessage | undefined {
  let message: unknown
  try {
    message = JSON.parse(String(data))
  } catch {
    return undefined
  }
  for (const check of Object.values(checks)) if (check.Check(message)) return message
  return undefined
}
