/** Who does what a call does: goes into the audit event that is written in the same transaction. */

import type { AuditActor } from '@sallyport/audit'

export interface ActContext {
  readonly actor: AuditActor
  /** The same on the datagram, in the logs and in HTTP. */
  readonly correlationId: string
  /** From where the actor acts. */
  readonly address?: string | undefined
  /**
   * The act happens once: its transaction writes this down, and a second one with the same key fails with
   * `idempotency-in-progress` and changes nothing.
   */
  readonly once?: IdempotencyKey
}

/** What the caller of an act named it, so that asking again does nothing again. Kept for 24 h. */
export interface IdempotencyKey {
  readonly organizationId: string
  /** Keys of different callers do not meet. */
  readonly callerId: string
  /** Lower-case hexadecimal. */
  readonly keySha256: string
  /** SHA-256 of all that was asked, lower-case hexadecimal. */
  readonly fingerprint: string
  /** A UUID of this request alone: of several that ask the same, one does it. */
  readonly attempt: string
}
