/** Invitations into an organization: a token, kept as its hash, with which one person becomes a member, once. */

import type { Duration, Instant } from '@sallyport/clock'
import type { ActContext } from './act.ts'
import type { MemberRecord } from './members.ts'
import type { Page, PageRequest } from './page.ts'

export type InvitationState = 'open' | 'accepted' | 'revoked' | 'expired'

export interface InvitationRecord {
  readonly id: string
  readonly organizationId: string
  readonly email: string
  readonly roles: readonly string[]
  readonly state: InvitationState
  readonly invitedBy: string
  readonly createdAt: Instant
  readonly expiresAt: Instant
  readonly acceptedAt?: Instant
  /** The member that came of it. */
  readonly userId?: string
}

export interface NewInvitation {
  readonly email: string
  readonly roles: readonly string[]
  /** SHA-256 of the token. */
  readonly tokenHash: Uint8Array
  /** At most 30 days. */
  readonly lifetime: Duration
  /**
   * By mail the token goes to the address alone, in the same transaction, so that whoever has it reads the address. `shown`:
   * who invites hands it on.
   */
  readonly delivery: 'shown' | { readonly mailedToken: string }
}

export interface Invitations {
  list(organizationId: string, request: PageRequest): Promise<Page<InvitationRecord>>
  /**
   * An open one for the same address is revoked: there is one good token.
   * @throws CodedError `conflict` when the address is a member's, `role-not-found`, `policy-violated`;
   * `validation-failed` for an address to which no mail can go.
   */
  create(organizationId: string, invitation: NewInvitation, act: ActContext): Promise<InvitationRecord>
  /** @throws CodedError `not-found` for none that is open. */
  revoke(organizationId: string, id: string, act: ActContext): Promise<void>
  /**
   * For whom the token would be good now: who has an account with its address joins with that one. Cheap, so that a guess
   * costs no password hash. To be told to nobody without the token.
   */
  openFor(tokenHash: Uint8Array): Promise<'somebody-new' | 'account-holder' | undefined>
  /**
   * Makes account and membership, once.
   * @param act who accepts is not known before: the actor is the new user.
   * @throws CodedError `invitation-invalid`; `conflict` for a username that is taken and `sign-in-to-accept` for an address
   * that has an account, which leave it open.
   */
  accept(
    acceptance: { readonly tokenHash: Uint8Array; readonly username: string; readonly passwordHash: string },
    origin: Omit<ActContext, 'actor'>,
  ): Promise<MemberRecord>
  /**
   * Makes a member of who has an account already, once. Notifies `access_changed`.
   * @throws CodedError `invitation-invalid`, also when it went to another address than the account's, which leaves it open;
   * `conflict` for who is a member, or is in 100 organizations.
   */
  join(
    acceptance: { readonly tokenHash: Uint8Array; readonly userId: string },
    act: ActContext,
  ): Promise<{ readonly organizationId: string }>
}
