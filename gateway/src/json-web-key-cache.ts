/**
 * The public keys of the control plane, kept so that devices sign in while it is down (design §7).
 *
 * Keys are fetched again after 60 s, and at once for a key id that is not known, but not more often than every 5 s: a device
 * can invent key ids. What was fetched last stays good for as long as nothing newer can be had.
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
    if (this.#fetchedAt === undefined || this.#mayAsk(now)) await this.#refresh(now)
    if (this.#fetchedAt === undefined) {
      throw new CodedError('dependency-unavailable', 'The keys that verify tokens cannot be fetched yet.')
    }
    return this.#keys
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
      this.#keys = await this.#options.fetch()
      this.#fetchedAt = now
    } catch (error) {
      this.#options.log.warn({ err: error, keys: this.#keys.length }, 'token keys could not be fetched')
    }
  }
}
