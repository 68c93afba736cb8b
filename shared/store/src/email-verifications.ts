/** Showing that one reads mail to one's address: a token goes there, and comes back. Once, within a time, kept as its hash. */

import type { Duration } from '@sallyport/clock'
import type { ActContext } from './act.ts'

export interface EmailVerifications {
  isVerified(userId: string): Promise<boolean>
  /**
   * Sends the token to the user's address by a job of the same transaction. It takes the place of the one before.
   * @param request.lifetime at most a day.
   * @throws CodedError `rate-limited` with `retryAfterSeconds` for a second one within a minute, `conflict` for an address that
   * is verified, `validation-failed` for one to which no mail can go.
   */
  request(
    request: {
      readonly userId: string
      readonly organizationId: string
      readonly token: string
      readonly tokenHash: Uint8Array
      readonly lifetime: Duration
    },
    act: ActContext,
  ): Promise<void>
  /**
   * @param origin who confirms is known by the token alone: the actor is the user.
   * @throws CodedError `email-verification-invalid`, also when the address has changed meanwhile.
   */
  confirm(tokenHash: Uint8Array, origin: Omit<ActContext, 'actor'>): Promise<void>
}
