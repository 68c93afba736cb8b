/**
 * API keys: what a program shows instead of a person's token. The store has the SHA-256 of each, and never the key.
 *
 * A key may do what its scopes say and whoever made it may do at that moment (`scopesNow`); when that person is removed, it is
 * revoked. `madeBy`, where a method takes it, leaves only what that person made.
 */

import type { Instant } from '@sallyport/clock'
import type { Permission } from '@sallyport/fleet'
import type { ActContext } from './act.ts'
import type { Page, PageRequest } from './page.ts'

export type ApiKeyState = 'active' | 'expired' | 'revoked'

export interface ApiKeyRecord {
  readonly id: string
  readonly organizationId: string
  readonly name: string
  readonly madeBy: string
  readonly scopes: readonly Permission[]
  /** Networks in CIDR notation; none: from anywhere. */
  readonly allowedAddresses: readonly string[]
  /** Absent: as many as a person. */
  readonly requestsPerMinute?: number
  readonly state: ApiKeyState
  readonly createdAt: Instant
  readonly expiresAt: Instant
  readonly revokedAt?: Instant
  /** To the minute. */
  readonly lastUsedAt?: Instant
  readonly lastUsedAddress?: string
  readonly version: number
}

export interface NewApiKey {
  readonly id: string
  readonly name: string
  readonly keySha256: Uint8Array
  readonly scopes: readonly Permission[]
  readonly allowedAddresses: readonly string[]
  readonly requestsPerMinute?: number | undefined
  /** At most 366 days from now. */
  readonly expiresAt: Instant
}

export interface ApiKeyPatch {
  readonly name?: string | undefined
  /** Fewer than there are. */
  readonly scopes?: readonly Permission[] | undefined
  readonly allowedAddresses?: readonly string[] | undefined
  /** Null: as many as a person. */
  readonly requestsPerMinute?: number | null | undefined
}

/** A key as it is when somebody shows it. */
export interface PresentedApiKey {
  readonly id: string
  readonly organizationId: string
  readonly name: string
  readonly madeBy: string
  /** With which its maker was in the organization. */
  readonly membershipId: string
  readonly keySha256: Uint8Array
  readonly scopes: readonly Permission[]
  readonly allowedAddresses: readonly string[]
  readonly requestsPerMinute?: number
  readonly expiresAt: Instant
  readonly revokedAt?: Instant
}

export interface ApiKeys {
  list(
    organizationId: string,
    request: PageRequest & { readonly madeBy?: string | undefined },
  ): Promise<Page<ApiKeyRecord>>
  read(organizationId: string, id: string, madeBy: string | undefined): Promise<ApiKeyRecord | undefined>
  /**
   * The maker is the actor, a person.
   * @throws CodedError `policy-violated`: policy `no-escalation` for scopes that the maker does not hold, `most-api-keys`;
   * `validation-failed` for an end that is past or too far away.
   */
  create(organizationId: string, key: NewApiKey, act: ActContext): Promise<ApiKeyRecord>
  /**
   * Notifies `api_key_changed`.
   * @throws CodedError `not-found` also for one that is revoked, `precondition-failed`; `policy-violated`, policy
   * `no-escalation`, for a scope that the key does not have.
   */
  change(
    organizationId: string,
    id: string,
    change: {
      readonly patch: ApiKeyPatch
      readonly madeBy: string | undefined
      readonly expectedVersion: number | undefined
    },
    act: ActContext,
  ): Promise<ApiKeyRecord>
  /**
   * For good; invitations that were given with it and that nobody has accepted go too. Again: nothing more happens. Notifies
   * `api_key_changed`.
   * @throws CodedError `not-found`.
   */
  revoke(organizationId: string, id: string, madeBy: string | undefined, act: ActContext): Promise<void>
  /** Whosever it is: the key is all that is known. */
  find(id: string): Promise<PresentedApiKey | undefined>
  /** Writes at most once in a minute, however many processes ask. */
  noteUse(id: string, address: string): Promise<void>
}
