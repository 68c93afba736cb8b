/**
 * The keys that seal what the gateway leaves with others (session tickets with devices, snapshots of associations with Redis),
 * fetched from the control plane (design §4).
 *
 * In memory alone: never in a file, a log or an error. They are fetched again every minute; what was fetched last stays good
 * for as long as nothing newer can be had. Without any key nothing is sealed: devices shake hands in full.
 */

import { fromBase64Url } from '@sallyport/bytes'
import { type Duration, seconds } from '@sallyport/clock'
import type { SealingKey, SealingKeys } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError, hasCode } from '@sallyport/errors'
import type { ServiceClient } from '@sallyport/http'

export interface SealingKeyCacheOptions {
  readonly fetch: () => Promise<SealingKeys>
  readonly log: Logger
  /** Hears of the first keys, and of each replacement. */
  readonly onChanged: (keys: SealingKeys) => void
  /** Default 60 s; as long as there is no key, it is tried every 2 s. */
  readonly refreshEvery?: Duration
  readonly retryEvery?: Duration
}

export class SealingKeyCache {
  readonly #options: SealingKeyCacheOptions
  #keys: SealingKeys | undefined
  #timer: NodeJS.Timeout | undefined
  #underWay: Promise<void> | undefined
  #failing = false
  #closed = false

  constructor(options: SealingKeyCacheOptions) {
    this.#options = options
  }

  /** Undefined until there were any. */
  get keys(): SealingKeys | undefined {
    return this.#keys
  }

  /** Fetches, once with the caller waiting, and from then on by itself. Never rejects: see `keys`. */
  async start(): Promise<void> {
    await this.refresh()
    this.#schedule()
  }

  /** Fetches now; what is under way already is joined. */
  refresh(): Promise<void> {
    this.#underWay ??= this.#fetch().finally(() => {
      this.#underWay = undefined
    })
    return this.#underWay
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #schedule(): void {
    if (this.#closed) return
    const { refreshEvery = seconds(60), retryEvery = seconds(2) } = this.#options
    this.#timer = setTimeout(
      () => void this.refresh().then(() => this.#schedule()),
      this.#keys === undefined ? retryEvery : refreshEvery,
    )
    this.#timer.unref()
  }

  async #fetch(): Promise<void> {
    const { fetch, log, onChanged } = this.#options
    try {
      const keys = await fetch()
      const changed = nameOf(this.#keys) !== nameOf(keys)
      this.#keys = keys
      if (this.#failing) log.info({}, 'sealing keys are fetched again')
      this.#failing = false
      if (changed && !this.#closed) onChanged(keys)
    } catch (error) {
      if (!this.#failing) log.warn({ err: error, known: this.#keys !== undefined }, 'sealing keys could not be fetched')
      this.#failing = true
    }
  }
}

/** @throws CodedError `dependency-unavailable`, also for an answer that makes no sense; its bytes are in no message. */
export async function fetchSealingKeys(controlPlane: ServiceClient): Promise<SealingKeys> {
  const { body } = await controlPlane.request({ method: 'GET', path: '/internal/v1/sealing-keys' })
  const { keys } = (body ?? {}) as { readonly keys?: unknown }
  const [current, previous] = Array.isArray(keys) ? keys.map(sealingKeyIn) : []
  if (current === undefined) throw senseless()
  return previous === undefined ? { current } : { current, previous }
}

function sealingKeyIn(entry: unknown): SealingKey {
  const { id, key } = (entry ?? {}) as { readonly id?: unknown; readonly key?: unknown }
  return { id: bytesIn(id, 8), key: bytesIn(key, 32) }
}

function bytesIn(text: unknown, length: number): Uint8Array {
  if (typeof text !== 'string') throw senseless()
  try {
    const bytes = fromBase64Url(text)
    if (bytes.length === length) return bytes
  } catch (error) {
    if (!hasCode(error, 'malformed-bytes')) throw error
  }
  throw senseless()
}

const nameOf = (keys: SealingKeys | undefined): string =>
  [keys?.current, keys?.previous].map((key) => Buffer.from(key?.id ?? []).toString('hex')).join()

const senseless = (): CodedError =>
  new CodedError('dependency-unavailable', "The control plane's sealing keys make no sense.")
