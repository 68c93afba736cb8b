/**
 * All web sockets of this process: how many there may be, of one person and in all; the second in which an access ends; the
 * goodbye when the process stops.
 *
 * Compression (permessage-deflate) is never agreed on: it would cost each socket its own window of up to 64 kB, and a text that
 * mixes secrets with what an attacker chooses shows by its compressed length what the secret is (CRIME).
 */

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { CodedError } from '@sallyport/errors'
import { WebSocketServer } from 'ws'
import type { ApiPorts } from '../api-ports.ts'
import type { Caller } from '../caller.ts'
import { concerns, endOfAccess } from '../live-access.ts'
import { LiveSocket, type SocketLimits } from './live-socket.ts'
import { socketProtocol } from './socket-messages.ts'

/** What is configured; the rest is the same everywhere. */
export interface SocketBounds extends Partial<SocketLimits> {
  readonly mostOfOnePerson: number
  readonly mostInAll: number
}

type LiveSocketsOptions = SocketLimits & SocketBounds

const defaultSocketLimits: SocketLimits = {
  mostSubscriptions: 20,
  mostMessageBytes: 16_384,
  messagesPerSecond: 50,
  mostUnacknowledged: 1024,
  mostBufferedBytes: 1_048_576,
  heartbeatSeconds: 30,
}

export class LiveSockets {
  readonly #ports: ApiPorts
  readonly #options: LiveSocketsOptions
  readonly #sockets = new Set<LiveSocket>()
  readonly #ofPerson = new Map<string, number>()
  readonly #server: WebSocketServer
  readonly #beating: NodeJS.Timeout
  #stopAsking: (() => void) | undefined

  constructor(ports: ApiPorts, bounds: SocketBounds) {
    const options = { ...defaultSocketLimits, ...bounds }
    this.#ports = ports
    this.#options = options
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: options.mostMessageBytes,
      handleProtocols: () => socketProtocol,
    })
    this.#beating = setInterval(() => {
      const now = ports.clock.now()
      for (const socket of this.#sockets) socket.beat(now)
    }, 1000).unref()
  }

  get count(): number {
    return this.#sockets.size
  }

  /** @throws CodedError `rate-limited` when there is no room. */
  makeRoomFor(caller: Caller): void {
    const { mostInAll, mostOfOnePerson } = this.#options
    const own = this.#ofPerson.get(caller.userId) ?? 0
    if (this.#sockets.size < mostInAll && own < mostOfOnePerson) return
    this.#ports.metrics.streamClosed('socket', 'too-many-streams')
    throw new CodedError(
      'rate-limited',
      own >= mostOfOnePerson ? `At most ${mostOfOnePerson} sockets of one person.` : 'There are too many sockets now.',
      { details: { retryAfterSeconds: 5 } },
    )
  }

  /** Answers the handshake (RFC 6455 section 4.2.2), or refuses what is none with 400. */
  open(request: IncomingMessage, stream: Duplex, head: Buffer, caller: Caller): void {
    const ports = this.#ports
    this.#stopAsking ??= this.#askWhenAccessChanges()
    this.#server.handleUpgrade(request, stream, head, (socket) => {
      const live = new LiveSocket(
        { socket, stream, caller },
        {
          clock: ports.clock,
          liveEvents: ports.liveEvents,
          metrics: ports.metrics,
          endOfAccess: (of, permission) => endOfAccess(ports, of, permission),
        },
        this.#options,
        (ended) => this.#forget(ended),
      )
      this.#sockets.add(live)
      this.#ofPerson.set(caller.userId, (this.#ofPerson.get(caller.userId) ?? 0) + 1)
    })
  }

  /** Says goodbye to all, so that they come back elsewhere; who does not answer within a second is cut. */
  async close(): Promise<void> {
    clearInterval(this.#beating)
    this.#stopAsking?.()
    for (const socket of this.#sockets) socket.end('shutting-down')
    for (let waited = 0; this.#sockets.size > 0 && waited < 1000; waited += 20) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    for (const socket of this.#sockets) socket.cut()
  }

  #askWhenAccessChanges(): () => void {
    const stopPermissions = this.#ports.personPermissions.onChanged((changed) => {
      for (const socket of this.#sockets) if (concerns(changed, socket.caller)) void socket.askAgain()
    })
    const stopKeys = this.#ports.apiKeys.onChanged((apiKeyId) => {
      for (const socket of this.#sockets) {
        const { caller } = socket
        if (caller.kind === 'api-key' && (apiKeyId === undefined || apiKeyId === caller.apiKeyId))
          void socket.askAgain()
      }
    })
    return () => {
      stopPermissions()
      stopKeys()
    }
  }

  #forget(socket: LiveSocket): void {
    if (!this.#sockets.delete(socket)) return
    const { userId } = socket.caller
    const left = (this.#ofPerson.get(userId) ?? 1) - 1
    if (left > 0) this.#ofPerson.set(userId, left)
    else this.#ofPerson.delete(userId)
  }
}
