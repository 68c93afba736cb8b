/** Roles of an organization's own: names for sets of permissions. Nobody makes or changes one beyond what they may do themselves. */

import type { Instant } from '@sallyport/clock'
import type { Permission } from '@sallyport/fleet'
import type { ActContext } from './act.ts'

export interface CustomRoleRecord {
  readonly name: string
  readonly permissions: readonly Permission[]
  readonly createdAt: Instant
  readonly updatedAt: Instant
  readonly version: number
}

export interface CustomRoles {
  /** By name; there are at most 100. */
  list(organizationId: string): Promise<readonly CustomRoleRecord[]>
  read(organizationId: string, name: string): Promise<CustomRoleRecord | undefined>
  /** @throws CodedError `conflict` for a name that is taken or one role too many, `policy-violated`. */
  create(
    organizationId: string,
    role: { readonly name: string; readonly permissions: readonly Permission[] },
    act: ActContext,
  ): Promise<CustomRoleRecord>
  /**
   * Notifies `access_changed`.
   * @throws CodedError `not-found`, `precondition-failed`, `policy-violated`.
   */
  change(
    organizationId: string,
    name: string,
    permissions: readonly Permission[],
    expectedVersion: number | undefined,
    act: ActContext,
  ): Promise<CustomRoleRecord>
  /** @throws CodedError `not-found`, `precondition-failed`, `policy-violated`, `conflict` while somebody has it or is invited to it. */
  delete(organizationId: string, name: string, expectedVersion: number | undefined, act: ActContext): Promise<void>
}
