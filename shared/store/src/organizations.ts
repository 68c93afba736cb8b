/** Customers and the people in them. */

import type { Instant } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import type { Permission } from '@sallyport/fleet'
import type { ActContext } from './act.ts'
import type { Page, PageRequest } from './page.ts'

export interface OrganizationRecord {
  readonly id: string
  readonly name: string
  readonly createdAt: Instant
  readonly updatedAt: Instant
  readonly version: number
}

/** Who makes organizations in this installation, and how many. */
export interface OrganizationCreation {
  /** `operators`: the owners of the installation's first organization, when they act in it. `anybody`: whose address was shown to be theirs. */
  readonly allowedTo: 'nobody' | 'operators' | 'anybody'
  readonly mostOfOnePerson: number
}

/** One organization of a person's. */
export interface PersonOrganization {
  readonly id: string
  readonly name: string
  readonly roles: readonly string[]
  readonly joinedAt: Instant
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
  /**
   * Another one, with its owner, who has an account and asks for it.
   * @param organization.from in which organization they ask.
   * @throws CodedError `policy-violated`, policy `organization-creation` or `organization-limit`; `conflict` for who is in 100
   * organizations; `token-revoked` for who is gone.
   */
  create(
    organization: {
      readonly name: string
      readonly ownerId: string
      readonly from: string
    },
    policy: OrganizationCreation,
    act: ActContext,
  ): Promise<OrganizationRecord>
  /** In which a person is, the one joined last first. */
  listOf(userId: string, request: PageRequest): Promise<Page<PersonOrganization>>
  read(id: string): Promise<OrganizationRecord | undefined>
  /** @throws CodedError `not-found`, `precondition-failed`. */
  rename(id: string, name: string, expectedVersion: number | undefined, act: ActContext): Promise<OrganizationRecord>
}

/** A person, in one of their organizations. */
export interface UserRecord {
  readonly id: string
  readonly organizationId: string
  /** Another one each time that they join. */
  readonly membershipId: string
  readonly email: string
  readonly username: string
  /** A PHC string. */
  readonly passwordHash: string
  readonly roles: readonly string[]
  /** What the roles allow, those of the organization's own among them. */
  readonly permissions: ReadonlySet<Permission>
}

export interface Users {
  /** By username or e-mail address, in any case; in the organization where they were last. */
  findByLogin(usernameOrEmail: string): Promise<UserRecord | undefined>
  /** @param organizationId undefined: where they were last. @returns undefined for who is not in it. */
  read(id: string, organizationId: string | undefined): Promise<UserRecord | undefined>
  /** `login` is not kept: people type passwords into the wrong field. */
  recordLogin(
    login: {
      readonly userId?: string | undefined
      /** Of the session; undefined: where the person was last. */
      readonly organizationId?: string | undefined
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
  /** A session was moved into this organization, in which the next log-in begins. Notifies `access_changed` of the one before. */
  recordEntry(
    entry: {
      readonly userId: string
      readonly organizationId: string
      readonly from: string
      readonly sessionId: string
    },
    act: ActContext,
  ): Promise<void>
  /** In a session that goes on. `reason`: it failed. */
  recordReauthentication(
    session: {
      readonly userId: string
      readonly organizationId: string
      readonly sessionId: string
      readonly reason?: ErrorCode | undefined
    },
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
