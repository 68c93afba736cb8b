/** What happens on the wire, told for logs and metrics. Every hook is optional; none may throw. */

import type { Duration } from '@sallyport/clock'
import type { CoapMethod, ResponseCode } from '@sallyport/coap'
import type { ErrorCode } from '@sallyport/errors'
import type { Association, AssociationCloseReason, HandshakeFailure } from './association.ts'

export interface ServedRequest<Identity> {
  readonly association: Association<Identity>
  /** `-` for a code that is no method. */
  readonly method: CoapMethod | '-'
  /** The resource's pattern, never the path itself: a label for metrics. `-` where no resource matched. */
  readonly path: string
  readonly code: ResponseCode
  readonly duration: Duration
  readonly correlationId: string
  readonly errorCode?: ErrorCode
}

export interface FailedRequest<Identity> {
  readonly association: Association<Identity>
  readonly correlationId: string
  /** Whatever the handler threw that was no `CodedError`, or one of our own faults. */
  readonly error: unknown
}

export interface CoapsObserver<Identity> {
  associationOpened?(association: Association<Identity>): void
  /**
   * A snapshot of it is out of date: its peer has another address, an observation began or ended. Counts and windows
   * change with every message, and nobody is told.
   */
  associationChanged?(association: Association<Identity>): void
  associationClosed?(association: Association<Identity>, reason: AssociationCloseReason): void
  handshakeFailed?(failure: HandshakeFailure): void
  /** The peer asked whether we are there: an empty CON, or over TLS a Ping, which is how stock devices keep a connection alive. */
  pinged?(association: Association<Identity>): void
  requestServed?(served: ServedRequest<Identity>): void
  requestFailed?(failed: FailedRequest<Identity>): void
  /** Noise, counted and never logged one by one. */
  discarded?(reason: string): void
}
