/**
 * Handshakes that failed, counted per network prefix, reason and minute.
 *
 * Anyone can make handshakes fail, so a failure costs a counter and, for the first few of a prefix, a log line; never a row
 * of its own. The counts go to the database every few seconds; what a crash loses is a few seconds of noise.
 */

import { isIPv4 } from 'node:net'
import { type Clock, type Instant, instant } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'

export interface HandshakeFailureCount {
  /** An IPv4 /24 or IPv6 /48, or `other` for what a flood brought beyond the bound. */
  readonly prefix: string
  readonly reason: ErrorCode
  /** Start of the minute. */
  readonly minute: Instant
  readonly count: number
}

/** Prefixes and reasons counted apart between two flushes; beyond that a flood is counted as one. */
const maxBuckets = 5000
const floodPrefix = 'other'

export class HandshakeFailureCounts {
  readonly #write: (counts: readonly HandshakeFailureCount[]) => Promise<void>
  readonly #clock: Clock
  #buckets = new Map<string, HandshakeFailureCount>()

  /** @param options.write adds the counts to what is stored already. */
  constructor(options: {
    readonly write: (counts: readonly HandshakeFailureCount[]) => Promise<void>
    readonly clock: Clock
  }) {
    this.#write = options.write
    this.#clock = options.clock
  }

  /** @returns how many of this prefix and reason there were since the last flush, this one included. */
  count(address: string, reason: ErrorCode): number {
    const minute = instant(Math.floor(this.#clock.now() / 60_000) * 60_000)
    const known = this.#buckets.size < maxBuckets
    const prefix =
      known || this.#buckets.has(keyOf(networkPrefix(address), reason, minute)) ? networkPrefix(address) : floodPrefix
    const key = keyOf(prefix, reason, minute)
    const count = (this.#buckets.get(key)?.count ?? 0) + 1
    this.#buckets.set(key, { prefix, reason, minute, count })
    return count
  }

  /** Rows that could not be written are counted again next time. */
  async flush(): Promise<void> {
    if (this.#buckets.size === 0) return
    const taken = this.#buckets
    this.#buckets = new Map()
    try {
      await this.#write([...taken.values()])
    } catch (error) {
      for (const [key, row] of taken) {
        const since = this.#buckets.get(key)?.count ?? 0
        if (this.#buckets.size < 2 * maxBuckets) this.#buckets.set(key, { ...row, count: row.count + since })
      }
      throw error
    }
  }
}

const keyOf = (prefix: string, reason: ErrorCode, minute: number): string => `${prefix} ${reason} ${minute}`

/** IPv4 /24, IPv6 /48: what one customer is usually given. */
export function networkPrefix(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
  if (isIPv4(mapped)) return `${mapped.split('.').slice(0, 3).join('.')}.0/24`
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length
    while (groups.length + after < 8) groups.push('0')
    groups.push(...(tail === '' ? [] : tail.split(':')))
  }
  return `${groups
    .slice(0, 3)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/48`
}
