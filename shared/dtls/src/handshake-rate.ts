/**
 * How many handshakes may begin in a time: in all, from one host, and from one network.
 *
 * A full handshake costs a server a hundred times what it costs to ask for one. So what lives keeps its share of the
 * processor only if newcomers are counted: a hello beyond a rate is dropped unheard, and its sender, if honest, sends
 * it again with back-off. Hosts and networks have rates of their own, so that one of them cannot use up everybody's.
 *
 * Each rate is a virtual clock (GCRA, ITU-T I.371): one number per origin, kept only while it is ahead of the time.
 * Only what is admitted is remembered, so the memory is bounded by the overall rate, however many addresses knock.
 */

import { type Duration, type Instant, instant, later, seconds } from '@sallyport/clock'
import { originOf } from './origin.ts'

/** Handshakes per second, on average over `averagedOver`. */
export interface HandshakeRates {
  readonly total: number
  /** From one IPv4 address or IPv6 /64. */
  readonly perHost: number
  /** From one IPv4 /24 or IPv6 /48. */
  readonly perNetwork: number
}

/** What a listener is told of them; see `handshakeRatesOf`. */
export interface HandshakeRateLimits {
  /**
   * Handshakes that may begin in a second, on average over four. Default 500: what one core does, with room for those that
   * live. Who comes beyond this and the next two is not heard, and comes again if it means it.
   */
  readonly maxHandshakesPerSecond?: number
  /** From one IPv4 address or IPv6 /64, which may be the NAT of a whole fleet. Default a fifth of `maxHandshakesPerSecond`. */
  readonly maxHandshakesPerSecondPerHost?: number
  /** From one IPv4 /24 or IPv6 /48. Default half of `maxHandshakesPerSecond`. */
  readonly maxHandshakesPerSecondPerNetwork?: number
}

export function handshakeRatesOf(limits: HandshakeRateLimits): HandshakeRates {
  const total = limits.maxHandshakesPerSecond ?? 500
  return {
    total,
    perHost: limits.maxHandshakesPerSecondPerHost ?? total / 5,
    perNetwork: limits.maxHandshakesPerSecondPerNetwork ?? total / 2,
  }
}

/** A fleet that comes back at once begins as many handshakes as the rate allows in this time without delay. */
const averagedOver: Duration = seconds(4)

const leastBeforeSweep = 1024

export class HandshakeRate {
  readonly #total: VirtualClocks
  readonly #hosts: VirtualClocks
  readonly #networks: VirtualClocks

  constructor({ total, perHost, perNetwork }: HandshakeRates) {
    this.#total = new VirtualClocks(total)
    this.#hosts = new VirtualClocks(perHost)
    this.#networks = new VirtualClocks(perNetwork)
  }

  /** Origins that are remembered. */
  get size(): number {
    return this.#hosts.size + this.#networks.size
  }

  /** Whether a handshake may begin now; if so, it is counted. @param address as node:dgram writes it */
  admit(address: string, now: Instant): boolean {
    const { host, network } = originOf(address)
    if (!this.#hosts.allows(host, now) || !this.#networks.allows(network, now) || !this.#total.allows('', now)) {
      return false
    }
    this.#hosts.count(host, now)
    this.#networks.count(network, now)
    this.#total.count('', now)
    return true
  }
}

class VirtualClocks {
  readonly #interval: number
  /** When the origin will have paid for all that it has begun. */
  readonly #clocks = new Map<string, Instant>()
  #sweepAt = leastBeforeSweep

  constructor(perSecond: number) {
    this.#interval = 1000 / perSecond
  }

  get size(): number {
    return this.#clocks.size
  }

  allows(origin: string, now: Instant): boolean {
    return this.#clockOf(origin, now) + this.#interval <= later(now, averagedOver)
  }

  count(origin: string, now: Instant): void {
    this.#clocks.set(origin, instant(this.#clockOf(origin, now) + this.#interval))
    if (this.#clocks.size >= this.#sweepAt) this.#sweep(now)
  }

  #clockOf(origin: string, now: Instant): Instant {
    const clock = this.#clocks.get(origin)
    return clock === undefined || clock < now ? now : clock
  }

  /** Rare: each time it must first have doubled since the last. */
  #sweep(now: Instant): void {
    for (const [origin, clock] of this.#clocks) {
      if (clock <= now) this.#clocks.delete(origin)
    }
    this.#sweepAt = Math.max(leastBeforeSweep, 2 * this.#clocks.size)
  }
}
