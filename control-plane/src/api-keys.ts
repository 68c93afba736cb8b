/**
 * API keys in use: made once, verified on each request. What the database says of a key is kept for some seconds and forgotten
 * within the second in which it changes (`api_key_changed`, which needs no Redis; the seconds are for notifications that were
 * lost).
 *
 * What is malformed, unknown or has a wrong secret is refused alike. Only who shows the right secret hears that the key is
 * revoked, has expired, or is not for their address.
 */

import { randomBytes } from 'node:crypto'
import { BlockList, isIPv6 } from 'node:net'
import { constantTimeEqual } from '@sallyport/bytes'
import { between, type Clock, type Duration, type Instant, later, minutes, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError, isCodedError } from '@sallyport/errors'
import { type Permission, randomBytesOfIdentifier, uuidV7 } from '@sallyport/fleet'
import type { PresentedApiKey, Store } from '@sallyport/store'
import { apiKeySecretBytes, apiKeySha256, parseApiKey, writeApiKey } from './api-key.ts'
import type { ControlPlaneMetrics } from './control-plane-metrics.ts'

export interface AuthenticatedApiKey {
  readonly key: PresentedApiKey
  /**
   * Why it is refused all the same, although whoever shows it has the secret: `api-key-revoked`, `api-key-expired`,
   * `api-key-address-refused`.
   */
  readonly refusal: CodedError | undefined
}

export interface ApiKeys {
  /** A new key, which nobody knows of yet. @throws CodedError `key-generation-failed`. */
  generate(): { readonly id: string; readonly key: string; readonly sha256: Uint8Array }
  /**
   * @param address from where it is shown.
   * @throws CodedError `api-key-invalid`; `database-unavailable`: nobody is let in by what was true once.
   */
  authenticate(text: string, address: string): Promise<AuthenticatedApiKey>
  /**
   * The scopes of a key that was let in and would be let in again; undefined for one that would not.
   * @throws CodedError `database-unavailable`.
   */
  scopesNow(key: { readonly id: string; readonly address: string }): Promise<readonly Permission[] | undefined>
  /**
   * Calls the listener whenever a key may have changed, for answers that go on for long; with its id, or without where it may be
   * any. @returns how to stop.
   */
  onChanged(listener: (id: string | undefined) => void): () => void
  close(): Promise<void>
}

const keptFor = seconds(5)
const mostKept = 10_000
const usesNotedEvery = minutes(1)

interface Kept {
  readonly until: Instant
  readonly key: Promise<PresentedApiKey | undefined>
}

/** @param options.keptFor default 5 s. */
export async function openApiKeys(options: {
  readonly store: Pick<Store, 'listen' | 'apiKeys'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<ControlPlaneMetrics, 'apiKeyPresented'>
  readonly keptFor?: Duration
  readonly randomness?: (length: number) => Uint8Array
}): Promise<ApiKeys> {
  const { store, clock, log, metrics, randomness = randomBytes } = options
  const kept = new Map<string, Kept>()
  const listeners = new Set<(id: string | undefined) => void>()
  const uses = new Occasions(clock, usesNotedEvery)
  const forget = (id: string | undefined): void => {
    if (id === undefined) kept.clear()
    else kept.delete(id)
    for (const listener of listeners) listener(id)
  }
  const stopListening = await store.listen(
    'api_key_changed',
    (payload) => forget(changedIn(payload)),
    () => forget(undefined),
  )

  const find = (id: string): Promise<PresentedApiKey | undefined> => {
    const known = kept.get(id)
    if (known !== undefined && clock.now() < known.until) return known.key
    // The promise is kept, not its result: a change that comes while it is asked for forgets that answer too.
    const key = store.apiKeys.find(id)
    kept.delete(id)
    kept.set(id, { until: later(clock.now(), options.keptFor ?? keptFor), key })
    const drop = (): void => {
      if (kept.get(id)?.key === key) kept.delete(id)
    }
    // Ids that somebody makes up must not push out those that are there.
    key.then((found) => (found === undefined ? drop() : undefined), drop)
    const oldest = kept.size > mostKept ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
    return key
  }

  const authenticate = async (text: string): Promise<PresentedApiKey> => {
    const parsed = parseApiKey(text)
    if (parsed === undefined) throw invalid()
    const key = await find(parsed.id)
    if (!constantTimeEqual(parsed.sha256, key?.keySha256 ?? nobodysSha256) || key === undefined) throw invalid()
    return key
  }
  const noteUse = (id: string, address: string): void => {
    if (!uses.isDue(id)) return
    // Nobody waits for it: it tells people something, and guards nothing.
    store.apiKeys
      .noteUse(id, address)
      .catch((error: unknown) => log.warn({ err: error, apiKeyId: id }, 'a use could not be noted'))
  }

  return {
    generate() {
      try {
        const id = uuidV7(clock.now(), randomness(randomBytesOfIdentifier))
        const key = writeApiKey(id, randomness(apiKeySecretBytes))
        return { id, key, sha256: apiKeySha256(key) }
      } catch (cause) {
        throw new CodedError('key-generation-failed', 'There is no randomness to be had.', { cause })
      }
    },
    async authenticate(text, address) {
      try {
        const key = await authenticate(text)
        const refusal = refusalOf(key, address, clock.now())
        metrics.apiKeyPresented(refusal?.code ?? 'accepted')
        if (refusal === undefined) noteUse(key.id, address)
        return { key, refusal }
      } catch (error) {
        metrics.apiKeyPresented(isCodedError(error) ? error.code : 'internal')
        throw error
      }
    },
    async scopesNow({ id, address }) {
      const key = await find(id)
      return key === undefined || refusalOf(key, address, clock.now()) !== undefined ? undefined : key.scopes
    },
    onChanged(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      await stopListening()
    },
  }
}

/** No key has it, as far as anybody knows: a comparison that is made so that its absence is not seen. */
const nobodysSha256 = new Uint8Array(32)

const invalid = (): CodedError => new CodedError('api-key-invalid', 'The API key is not valid.')

function refusalOf(key: PresentedApiKey, address: string, now: Instant): CodedError | undefined {
  if (key.revokedAt !== undefined) return new CodedError('api-key-revoked', 'The API key was revoked.')
  if (now >= key.expiresAt) return new CodedError('api-key-expired', 'The API key has expired.')
  if (isAllowed(key.allowedAddresses, address)) return undefined
  return new CodedError('api-key-address-refused', 'The API key may not be used from this address.')
}

/** @param networks in CIDR notation; none: anywhere. */
function isAllowed(networks: readonly string[], address: string): boolean {
  if (networks.length === 0) return true
  const list = new BlockList()
  for (const network of networks) {
    const [base = '', length = ''] = network.split('/')
    list.addSubnet(base, Number(length), isIPv6(base) ? 'ipv6' : 'ipv4')
  }
  const bare = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  return list.check(bare, isIPv6(bare) ? 'ipv6' : 'ipv4')
}

/** What is done for each id once in a while, whoever asks. */
class Occasions {
  readonly #clock: Clock
  readonly #every: Duration
  readonly #last = new Map<string, Instant>()

  constructor(clock: Clock, every: Duration) {
    this.#clock = clock
    this.#every = every
  }

  isDue(id: string): boolean {
    const now = this.#clock.now()
    const last = this.#last.get(id)
    if (last !== undefined && between(last, now) < this.#every) return false
    this.#last.delete(id)
    this.#last.set(id, now)
    const oldest = this.#last.size > mostKept ? this.#last.keys().next().value : undefined
    if (oldest !== undefined) this.#last.delete(oldest)
    return true
  }
}

/** The payload is `{ apiKeyId }`; one that cannot be read forgets all. */
function changedIn(payload: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(payload)
    if (typeof parsed !== 'object' || parsed === null) return undefined
    const { apiKeyId } = parsed as { readonly apiKeyId?: unknown }
    return typeof apiKeyId === 'string' ? apiKeyId : undefined
  } catch {
    return undefined
  }
}
