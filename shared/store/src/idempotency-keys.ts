import type { Instant } from '@sallyport/clock'
import type { IdempotencyKey } from './act.ts'

export type KeyName = Pick<IdempotencyKey, 'organizationId' | 'callerId' | 'keySha256'>

/** An act that was done under a key. */
export interface DoneOnce {
  readonly fingerprint: string
  readonly attempt: string
  readonly at: Instant
  /** What the act was about, as its audit event names it. */
  readonly subject: { readonly kind: string; readonly id: string }
  /** Undefined while it was not given, and for ever when the process ended before it was. */
  readonly sealedAnswer: Uint8Array | undefined
}

/** The keys are written by the acts themselves (`ActContext.once`). */
export interface IdempotencyKeys {
  find(key: KeyName): Promise<DoneOnce | undefined>
  /** Keeps the first answer that was given; later ones are left out. */
  keepAnswer(key: KeyName, sealedAnswer: Uint8Array): Promise<void>
}
