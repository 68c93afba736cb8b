/** Customers and the people in them. */

import type { Instant } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import type { Permission } from '@sallyport/fleet'
import type { ActContext } from './act.ts'

export interface OrganizationRecord {
  readonly id: string
  readonly name: string
  readonly createdAt: Instant
  readonly updatedAt: Instant
  readonly version: number
}

export interface Organizations {
  /** The first organization with its owner; undefined when there is an organization already. One caller of many wins. */
  createFirst(
    organization: {
      readonly name: string
      readonly admin: { readonly email: string; readonly username: string; readonly passwordHash: string }
    },
    act: ActContext,
  ): Promise<{ readonly organizationId: string; readonly userId: string } | undefined>
  read(id: string): Promise<OrganizationRecord | undefined>
  /** @throws CodedError `not-found`, `precondition-failed`. */
  rename(id: string, name: string, expectedVersion: number | undefined, act: ActContext): Promise<OrganizationRecord>
}

export interface UserRecord {
  readonly id: string
  readonly organizationId: string
  readonly email: string
  readonly username: string
  /** A PHC string. */
  readonly passwordHash: string
  readonly roles: readonly string[]
  /** What the roles allow, those of the organization's own among them. */
  readonly permissions: ReadonlySet<Permission>
}

export interface Users {
  /** By username or e-mail address, in any case. */
  findByLogin(usernameOrEmail: string): Promise<UserRecord | undefined>
  read(id: string): Promise<UserRecord | undefined>
  /** `login` is not kept: people type passwords into the wrong field. */
  recordLogin(
    login: {
      readonly userId?: string | undefined
      readonly login: string
      readonly outcome: 'succeeded' | 'failed'
      readonly reason?: ErrorCode | undefined
      readonly sessionId?: string | undefined
    },
    act: ActContext,
  ): Promise<void>
  /** The person got new tokens for an old refresh token. */
  recordSessionRefresh(
    session: { readonly userId: string; readonly organizationId: string; readonly sessionId: string },
    act: ActContext,
  ): Promise<void>
  /** The person ended it, or a refresh token that had been replaced came back and ended it. */
  recordSessionEnd(
    session: {
      readonly userId: string
      readonly organizationId: string
      readonly sessionId: string
      readonly cause: 'logout' | 'refresh-token-reused'
    },
    act: ActContext,
  ): Promise<void>
}
