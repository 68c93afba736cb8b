/** An open association, as its users hold it; the machine behind it is the listener's or the connection's. */

import { randomBytes } from 'node:crypto'
import { type Instant, instant } from '@sallyport/clock'
import type { AssociationHandle, CipherSuiteName } from '@sallyport/dtls'
import type { Association, RemoteAddress } from './association.ts'
import { monotonicClock } from './dtls-socket.ts'

export interface DtlsAssociationStart<Identity> {
  /** Of one that another process has had; absent: a new one. */
  readonly former?: { readonly id: string; readonly openedAt: Instant } | undefined
  readonly handle: AssociationHandle
  readonly identity: Identity
  readonly remote: RemoteAddress
  readonly cipherSuite: CipherSuiteName
  /** Empty: none. */
  readonly connectionId: Uint8Array
  readonly maxMessageBytes: number
  readonly resumed?: boolean | undefined
  readonly machine: AssociationMachine
}

/** Of a listener or a connection: one for all its associations, which are many and mostly idle. */
export interface AssociationMachine {
  sendFor(association: AssociationHandle, plaintext: Uint8Array): void
  closeFor(association: AssociationHandle): void
}

export class DtlsAssociation<Identity> implements Association<Identity> {
  readonly openedAt: Instant
  readonly identity: Identity
  readonly transport = 'dtls'
  readonly cipherSuite: CipherSuiteName
  readonly resumed: boolean
  readonly handle: AssociationHandle
  readonly maxMessageBytes: number
  readonly #machine: AssociationMachine
  readonly #connectionId: Uint8Array
  #id: string | undefined
  #remote: RemoteAddress
  #closed = false

  constructor(start: DtlsAssociationStart<Identity>) {
    this.#machine = start.machine
    this.#connectionId = start.connectionId
    this.#id = start.former?.id
    this.openedAt = start.former?.openedAt ?? instant(Math.round(monotonicClock.now()))
    this.handle = start.handle
    this.identity = start.identity
    this.#remote = start.remote
    this.cipherSuite = start.cipherSuite
    this.maxMessageBytes = start.maxMessageBytes
    this.resumed = start.resumed ?? false
  }

  /** Made when it is first asked for: a name to speak of it by, which nothing is found by. */
  get id(): string {
    this.#id ??= randomBytes(8).toString('hex')
    return this.#id
  }

  get remote(): RemoteAddress {
    return this.#remote
  }

  get connectionId(): string | undefined {
    const bytes = this.#connectionId
    return bytes.length === 0 ? undefined : Buffer.from(bytes).toString('hex')
  }

  get closed(): boolean {
    return this.#closed
  }

  send(plaintext: Uint8Array): void {
    if (!this.#closed) this.#machine.sendFor(this.handle, plaintext)
  }

  close(): void {
    if (!this.#closed) this.#machine.closeFor(this.handle)
  }

  /** The machine says that the peer's newest record came from elsewhere. */
  moveTo(remote: RemoteAddress): void {
    this.#remote = remote
  }

  /** The machine says that it is over. */
  markClosed(): void {
    this.#closed = true
  }
}
