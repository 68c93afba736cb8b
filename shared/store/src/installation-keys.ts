/** The keys of the installation that live as next → active → grace → retired, whatever they are for (design §7). */

import type { Duration, Instant } from '@sallyport/clock'
import type { JWK, KeyState } from '@sallyport/keys'
import type { ActContext } from './act.ts'

/** `jwt`: signs the tokens of people and devices. */
export type KeyPurpose = 'jwt'

export interface NewInstallationKey {
  readonly keyId: string
  readonly publicJwk: JWK
  readonly sealedPrivateKey: Uint8Array
}

export interface InstallationKeyRecord {
  readonly keyId: string
  /** Counts the keys of a purpose: the fencing number of a promotion. */
  readonly generation: number
  readonly publicJwk: JWK
  readonly state: KeyState
  readonly createdAt: Instant
  readonly activatedAt: Instant | null
  readonly verifiesUntil: Instant | null
  /** Of the next and the active key; gone with the right to sign. */
  readonly sealedPrivateKey: Uint8Array | null
}

export type KeyRetirement = 'lapsed' | 'compromised'

/** All periods go by the database's clock. */
export interface InstallationKeys {
  /** All that are not retired, the newest first. */
  live(purpose: KeyPurpose): Promise<readonly InstallationKeyRecord[]>
  /**
   * Sees to it that there is an active key: the present one, else the next one, else one that `create` makes. Many callers at
   * once get one key, and one of them calls `create`.
   */
  ensureActive(
    purpose: KeyPurpose,
    create: () => Promise<NewInstallationKey>,
    act: ActContext,
  ): Promise<InstallationKeyRecord>
  /** Publishes a next key once the active one is as old as `activeFor`. @returns whether there is one. */
  ensureNext(
    purpose: KeyPurpose,
    activeFor: Duration,
    create: () => Promise<NewInstallationKey>,
    act: ActContext,
  ): Promise<boolean>
  /**
   * The next key becomes the active one, and the active one verifies for `grace` still: both or neither, once.
   * @returns the new active key; undefined when `replaces` is not the generation that is active (another was first), when it has not been
   * active for `activeFor`, or the next one not published for `publishedFor`.
   */
  promote(
    purpose: KeyPurpose,
    promotion: {
      readonly keyId: string
      readonly replaces: number
      readonly activeFor: Duration
      readonly publishedFor: Duration
      readonly grace: Duration
    },
    act: ActContext,
  ): Promise<InstallationKeyRecord | undefined>
  /** Retires what verified for long enough. @returns their ids. */
  retireLapsed(purpose: KeyPurpose, act: ActContext): Promise<readonly string[]>
  /**
   * A key that others may have: nothing that it signed is believed from now on, by nobody (`keys_changed`). In the place of the
   * active one comes the next, if there is one.
   * @returns false when it was retired already.
   * @throws CodedError `not-found`
   */
  retireCompromised(purpose: KeyPurpose, keyId: string, act: ActContext): Promise<boolean>
}
