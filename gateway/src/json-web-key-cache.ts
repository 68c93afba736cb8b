/**
 * The public keys of the control plane, kept so that devices sign in while it is down (design §7).
 *
 * Keys are fetched again after 60 s, and at once for a key id that is not known, but not more often than every 5 s: a device
 * can invent key ids. One that the database has announced is no invention. What was fetched last stays good for as long as nothing newer can be had. A key that was withdrawn is unknown from then on, whatever is fetched.
 */

import { between, type Clock, type Instant, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import type { JWK } from '@sallyport/keys'

const freshFor = seconds(60)
const unknownKeyPause = seconds(5)

export interface JsonWebKeyCacheOptions {
  readonly fetch: () => Promise<readonly JWK[]>
  readonly clock: Clock
  readonly log: Logger
}

export class JsonWebKeyCache {
  readonly #options: JsonWebKeyCacheOptions
  #keys: readonly JWK[] = []
  readonly #withdrawn = new Set<string>()
  readonly #announced = new Set<string>()
  #fetchedAt: Instant | undefined
  #askedAt: Instant | undefined
  #underWay: Promise<void> | undefined

  constructor(options: JsonWebKeyCacheOptions) {
    this.#options = options
  }

  /**
   * All known keys, with `keyId` among them if it exists.
   *
   * @throws CodedError `dependency-unavailable` when no key was ever fetched and none can be had now.
   */
  async keysFor(keyId: string | undefined): Promise<readonly JWK[]> {
    const now = this.#options.clock.now()
    const known = keyId !== undefined && this.#keys.some((key) => key.kid === keyId)
    const fresh = this.#fetchedAt !== undefined && between(this.#fetchedAt, now) < freshFor
    if (known) {
      // An old set still serves: nobody waits for a control plane that may be down.
      if (!fresh && this.#mayAsk(now)) void this.#refresh(now)
      return this.#keys
    }
    const announced = keyId !== undefined && this.#announced.has(keyId)
    // What was under way already may have been asked too early.
    if (announced) await this.#underWay
    if (this.#fetchedAt === undefined || this.#mayAsk(now) || announced) await this.#refresh(now)
    if (this.#fetchedAt === undefined) {
      throw new CodedError('dependency-unavailable', 'The keys that verify tokens cannot be fetched yet.')
    }
    return this.#keys
  }

  /** There is such a key: whatever the pause, it is asked for when a token names it. */
  announce(keyId: string): void {
    if (!this.#keys.some(({ kid }) => kid === keyId)) this.#announced.add(keyId)
  }

  /** Nothing that it signed is believed any more. */
  withdraw(keyId: string): void {
    this.#withdrawn.add(keyId)
    this.#announced.delete(keyId)
    this.#keys = this.#believed(this.#keys)
  }

  /** Looks for itself, where a withdrawal may not have been heard. */
  async lookAgain(): Promise<void> {
    await this.#refresh(this.#options.clock.now())
  }

  #believed(keys: readonly JWK[]): readonly JWK[] {
    return keys.filter(({ kid }) => kid === undefined || !this.#withdrawn.has(kid))
  }

  #mayAsk(now: Instant): boolean {
    return this.#askedAt === undefined || between(this.#askedAt, now) >= unknownKeyPause
  }

  #refresh(now: Instant): Promise<void> {
    this.#underWay ??= this.#fetch(now).finally(() => {
      this.#underWay = undefined
    })
    return this.#underWay
  }

  async #fetch(now: Instant): Promise<void> {
    this.#askedAt = now
    try {
      this.#keys = this.#believed(await this.#options.fetch())
      this.#fetchedAt = now
      for (const { kid } of this.#keys) if (kid !== undefined) this.#announced.delete(kid)
    } catch (error) {
      this.#options.log.warn({ err: error, keys: this.#keys.length }, 'token keys could not be fetched')
    }
  }
}
