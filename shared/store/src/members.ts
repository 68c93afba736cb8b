/**
 * The people of one organization, and what they may do in it. A person may be in others too, which nobody here sees.
 *
 * A role is given and taken only by who holds everything that it allows (`policy-violated`, policy `no-escalation`); the last
 * owner stays one (policy `last-owner`). Both are looked at under a lock of the organization: who acts may have lost a role a
 * moment ago. An act of the system is bound by the second alone.
 */

import type { Instant } from '@sallyport/clock'
import type { Permission } from '@sallyport/fleet'
import type { ActContext } from './act.ts'
import type { Page, PageRequest } from './page.ts'

export interface MemberRecord {
  /** The person's: the same in each of their organizations. */
  readonly id: string
  readonly organizationId: string
  readonly email: string
  readonly username: string
  readonly roles: readonly string[]
  /** When they joined. */
  readonly createdAt: Instant
  /** When it was shown that the member reads mail to the address; absent where nobody has. */
  readonly emailVerifiedAt?: Instant
  readonly version: number
}

export interface HeldMembership {
  /** Another one each time that the person joins: what was issued for an earlier one is void. */
  readonly membershipId: string
  readonly permissions: ReadonlySet<Permission>
}

export interface Members {
  list(organizationId: string, request: PageRequest): Promise<Page<MemberRecord>>
  read(organizationId: string, userId: string): Promise<MemberRecord | undefined>
  /** What this person may do now; undefined for who is no member (any more). */
  permissions(organizationId: string, userId: string): Promise<ReadonlySet<Permission> | undefined>
  /** The same, with the membership by which they may. */
  held(organizationId: string, userId: string): Promise<HeldMembership | undefined>
  /**
   * Replaces the roles, and revokes what invitations the member has open: who loses a right must not come back by a token in
   * a drawer. Notifies `access_changed`.
   * @throws CodedError `not-found`, `precondition-failed`, `role-not-found`, `policy-violated`.
   */
  changeRoles(
    organizationId: string,
    userId: string,
    roles: readonly string[],
    expectedVersion: number | undefined,
    act: ActContext,
  ): Promise<MemberRecord>
  /**
   * The person is no member any more: no token and no session of theirs in this organization is good, not even once they join
   * again, and their open invitations are revoked. The account ends with the last membership.
   * @throws CodedError `not-found`, `policy-violated`.
   */
  remove(organizationId: string, userId: string, act: ActContext): Promise<void>
}
