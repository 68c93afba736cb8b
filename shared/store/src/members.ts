/**
 * The people of one organization, and what they may do.
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
  readonly id: string
  readonly organizationId: string
  readonly email: string
  readonly username: string
  readonly roles: readonly string[]
  readonly createdAt: Instant
  /** When it was shown that the member reads mail to the address; absent where nobody has. */
  readonly emailVerifiedAt?: Instant
  readonly version: number
}

export interface Members {
  list(organizationId: string, request: PageRequest): Promise<Page<MemberRecord>>
  read(organizationId: string, userId: string): Promise<MemberRecord | undefined>
  /** What this person may do now; undefined for who is no member (any more). */
  permissions(organizationId: string, userId: string): Promise<ReadonlySet<Permission> | undefined>
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
   * The person is no user any more: no token and no session of theirs is good, their open invitations are revoked.
   * @throws CodedError `not-found`, `policy-violated`.
   */
  remove(organizationId: string, userId: string, act: ActContext): Promise<void>
}
