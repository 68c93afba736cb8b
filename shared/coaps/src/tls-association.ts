/** An open association over TLS: what goes out is bounded, and what comes in waits while the peer does not read. */

import { randomBytes } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { type Instant, instant, milliseconds, seconds } from '@sallyport/clock'
import type { Association, AssociationCloseReason, RemoteAddress } from './association.ts'
import { monotonicClock } from './dtls-socket.ts'

export interface TlsAssociationStart<Identity> {
  readonly socket: TLSSocket
  readonly identity: Identity
  readonly remote: RemoteAddress
  /** Bytes that may wait to be sent; more ends the association. */
  readonly maxQueuedBytes: number
  readonly data: (association: TlsAssociation<Identity>, chunk: Uint8Array) => void
  /** Called once, and nothing after it. */
  readonly closed: (association: TlsAssociation<Identity>, reason: AssociationCloseReason) => void
}

/** So long may our last bytes take to leave; then the connection is reset. */
const farewell = milliseconds(1000)
const keepAliveAfter = seconds(60)

export class TlsAssociation<Identity> implements Association<Identity> {
  readonly id = randomBytes(8).toString('hex')
  readonly transport = 'tls'
  readonly openedAt: Instant = instant(Math.round(monotonicClock.now()))
  readonly identity: Identity
  readonly remote: RemoteAddress
  readonly cipherSuite: string
  /** When bytes came last. */
  lastHeardAt: Instant = this.openedAt
  readonly #start: TlsAssociationStart<Identity>
  #closed = false

  constructor(start: TlsAssociationStart<Identity>) {
    const { socket } = start
    this.#start = start
    this.identity = start.identity
    this.remote = start.remote
    this.cipherSuite = socket.getCipher().standardName
    // The kernel notices a host that has gone; that its program still answers is for CoAP's Ping.
    socket.setKeepAlive(true, keepAliveAfter)
    socket.setNoDelay(true)
  }

  /** Begins to read. Not done by the constructor: whoever holds the association must know it by then. */
  begin(): void {
    const { socket } = this.#start
    socket.on('data', (chunk) => {
      if (this.#closed) return
      this.lastHeardAt = monotonicClock.now()
      // What one chunk causes to be answered leaves together.
      socket.cork()
      this.#start.data(this, chunk)
      socket.uncork()
    })
    socket.on('drain', () => socket.resume())
    socket.on('end', () => this.#end('close-notify'))
    socket.on('close', () => this.#end('connection-lost'))
    if (socket.destroyed) this.#end('connection-lost')
  }

  get closed(): boolean {
    return this.#closed
  }

  send(bytes: Uint8Array): void {
    if (this.#closed) return
    const { socket, maxQueuedBytes } = this.#start
    const goesOn = socket.write(bytes)
    if (socket.writableLength > maxQueuedBytes) {
      this.#end('not-reading')
      socket.destroy()
      return
    }
    // Whoever does not read its answers gets nothing more to answer.
    if (!goesOn) socket.pause()
  }

  close(): void {
    this.end('local')
  }

  end(reason: AssociationCloseReason): void {
    if (this.#closed) return
    endStream(this.#start.socket)
    this.#end(reason)
  }

  #end(reason: AssociationCloseReason): void {
    if (this.#closed) return
    this.#closed = true
    this.#start.closed(this, reason)
  }
}

/** Lets what was written leave, then close_notify; ends it in any case soon. */
export function endStream(socket: TLSSocket): void {
  socket.removeAllListeners('data')
  socket.resume()
  socket.end()
  const timer = setTimeout(() => socket.destroy(), farewell)
  socket.once('close', () => clearTimeout(timer))
}
