/**
 * Handshakes that failed before anybody was known, counted per network, reason and minute, and written together: a flood
 * makes counters grow, never rows or log lines per datagram.
 */

import { type Clock, type Instant, instant, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import type { ErrorCode } from '@sallyport/errors'
import type { Store } from '@sallyport/store'

export interface AdmissionFailuresOptions {
  readonly auditEvents: Pick<Store['auditEvents'], 'countAdmissionFailures'>
  readonly clock: Clock
  readonly log: Logger
}

const writtenEvery = seconds(10)
/** Networks and reasons of one minute; what comes beyond is counted under one name. */
const mostBuckets = 2000

interface Bucket {
  readonly prefix: string
  readonly reason: ErrorCode
  readonly minute: Instant
  count: number
}

export class AdmissionFailures {
  readonly #options: AdmissionFailuresOptions
  #buckets = new Map<string, Bucket>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: AdmissionFailuresOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => void this.#write(), writtenEvery)
  }

  /** The counts so far are written. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#write()
  }

  /** @returns the count of this network and reason in this minute. */
  add(address: string, reason: ErrorCode): number {
    const minute = instant(Math.floor(this.#options.clock.now() / 60_000) * 60_000)
    const prefix = this.#buckets.size < mostBuckets ? networkPrefix(address) : 'others'
    const key = `${prefix} ${reason} ${minute}`
    const bucket = this.#buckets.get(key) ?? { prefix, reason, minute, count: 0 }
    bucket.count += 1
    this.#buckets.set(key, bucket)
    return bucket.count
  }

  async #write(): Promise<void> {
    const rows = [...this.#buckets.values()]
    if (rows.length === 0) return
    this.#buckets = new Map()
    try {
      await this.#options.auditEvents.countAdmissionFailures(rows)
    } catch (error) {
      this.#options.log.warn({ err: error, lost: rows.length }, 'admission failures could not be counted')
    }
  }
}

/** The network of an address: /24 of IPv4, /48 of IPv6. */
export function networkPrefix(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
  const octets = mapped.split('.')
  if (octets.length === 4) return `${octets.slice(0, 3).join('.')}.0/24`
  const [head = '', tail] = mapped.split('::', 2)
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) while (groups.length < 3) groups.push('0')
  return `${groups.slice(0, 3).join(':')}::/48`
}
