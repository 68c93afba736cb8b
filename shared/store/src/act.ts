/** Who does what a call does: goes into the audit event that is written in the same transaction. */

import type { AuditActor } from '@sallyport/audit'

export interface ActContext {
  readonly actor: AuditActor
  /** The same on the datagram, in the logs and in HTTP. */
  readonly correlationId: string
  /** From where the actor acts. */
  readonly address?: string | undefined
}
