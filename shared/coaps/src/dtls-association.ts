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
  readonly send: (plaintext: Uint8Array) => void
  readonly close: () => void
}

export class DtlsAssociation<Identity> implements Association<Identity> {
  readonly id: string
  readonly openedAt: Instant
  readonly identity: Identity
  readonly transport = 'dtls'
  readonly cipherSuite: CipherSuiteName
  readonly resumed: boolean
  readonly handle: AssociationHandle
  readonly #start: DtlsAssociationStart<Identity>
  #remote: RemoteAddress
  #closed = false

  constructor(start: DtlsAssociationStart<Identity>) {
    this.#start = start
    this.id = start.former?.id ?? randomBytes(8).toString('hex')
    this.openedAt = start.former?.openedAt ?? instant(Math.round(monotonicClock.now()))
    this.handle = start.handle
    this.identity = start.identity
    this.#remote = start.remote
    this.cipherSuite = start.cipherSuite
    this.resumed = start.resumed ?? false
  }

  get remote(): RemoteAddress {
    return this.#remote
  }

  get connectionId(): string | undefined {
    const { connectionId } = this.#start
    return connectionId.length === 0 ? undefined : Buffer.from(connectionId).toString('hex')
  }

  get maxMessageBytes(): number {
    return this.#start.maxMessageBytes
  }

  get closed(): boolean {
    return this.#closed
  }

  send(plaintext: Uint8Array): void {
    if (!this.#closed) this.#start.send(plaintext)
  }

  close(): void {
    if (!this.#closed) this.#start.close()
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
