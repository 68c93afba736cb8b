/**
 * Deduplication (RFC 7252 section 4.5): the last exchanges of one association and what was replied to each.
 *
 * A ring of so many exchanges, not everything of the last 247 seconds: a peer has few on their way, and the memory of a
 * peer that floods stays bounded. Replies have a bound in bytes of their own; the oldest lose theirs first.
 */

import type { Instant } from '@sallyport/clock'
import type { EndpointLimits } from './endpoint-limits.ts'

export interface RecentExchange {
  readonly messageId: number
  readonly at: Instant
  /** What a duplicate gets: an acknowledgement, a Reset or the whole response. Undefined: nothing, or nothing yet. */
  reply: Uint8Array | undefined
  /** The reply was let go to save memory. */
  forgotten: boolean
}

export class RecentExchanges {
  readonly #limits: EndpointLimits
  /** In order of arrival, which is the order of a Map. */
  readonly #exchanges = new Map<number, RecentExchange>()
  #replyBytes = 0

  constructor(limits: EndpointLimits) {
    this.#limits = limits
  }

  /** The exchange of a Message ID; undefined when it is new, or so old that the peer may use the number again. */
  find(messageId: number, now: Instant): RecentExchange | undefined {
    const found = this.#exchanges.get(messageId)
    return found === undefined || this.#isOver(found, now) ? undefined : found
  }

  add(messageId: number, now: Instant): RecentExchange {
    this.#remove(this.#exchanges.get(messageId))
    for (const oldest of this.#exchanges.values()) {
      if (this.#exchanges.size < this.#limits.recentExchanges && !this.#isOver(oldest, now)) break
      this.#remove(oldest)
    }
    const added: RecentExchange = { messageId, at: now, reply: undefined, forgotten: false }
    this.#exchanges.set(messageId, added)
    return added
  }

  /** Keeps what duplicates of this exchange get. @param reply is kept, not copied */
  keepReply(exchange: RecentExchange, reply: Uint8Array): void {
    // Work that took longer than 64 further requests: the exchange has left the ring, a late duplicate is new.
    if (this.#exchanges.get(exchange.messageId) !== exchange) return
    this.#replyBytes += reply.length - (exchange.reply?.length ?? 0)
    exchange.reply = reply
    if (this.#replyBytes <= this.#limits.recentReplyBytes) return
    for (const oldest of this.#exchanges.values()) {
      if (oldest.reply === undefined || oldest === exchange) continue
      this.#replyBytes -= oldest.reply.length
      oldest.reply = undefined
      oldest.forgotten = true
      if (this.#replyBytes <= this.#limits.recentReplyBytes) return
    }
  }

  /** Those whose Message ID may still come again, oldest first. */
  *entries(now: Instant): Iterable<RecentExchange> {
    for (const exchange of this.#exchanges.values()) if (!this.#isOver(exchange, now)) yield exchange
  }

  /** Exchanges that another process has had, oldest first; what is beyond our bounds is forgotten as ever. */
  resume(exchanges: readonly RecentExchange[], now: Instant): void {
    for (const { messageId, at, reply, forgotten } of exchanges) {
      const added = this.add(messageId, at > now ? now : at)
      added.forgotten = forgotten
      if (reply !== undefined) this.keepReply(added, reply.slice())
    }
  }

  #isOver(exchange: RecentExchange, now: Instant): boolean {
    return now - exchange.at > this.#limits.exchangeLifetime
  }

  #remove(exchange: RecentExchange | undefined): void {
    if (exchange === undefined) return
    this.#replyBytes -= exchange.reply?.length ?? 0
    this.#exchanges.delete(exchange.messageId)
  }
}
