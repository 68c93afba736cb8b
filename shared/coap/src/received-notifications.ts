/**
 * What comes of an observation of ours (RFC 7641 section 3): notifications in their order, long ones fetched to their end,
 * and the registration sent again once its server no longer vouches for the state.
 */

import type { Instant } from '@sallyport/clock'
import { later, milliseconds, seconds } from '@sallyport/clock'
import type { Block } from './block-option.ts'
import { fitsBlock } from './block-option.ts'
import type { ResponseCode } from './code-registry.ts'
import { isSuccess } from './code-registry.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { OutgoingRequest, ResourceTraits } from './exchange.ts'
import type { CoapContent } from './message-codec.ts'
import { isFresher } from './observe-freshness.ts'
import { responseOf } from './received-response.ts'
import { goesWhole } from './request-message.ts'
import type { ResponseOptions } from './request-options.ts'
import type { SentRequests } from './sent-requests.ts'

/** So long a notification may come late: 5 to 15 seconds, by chance (RFC 7641 section 3.3.1). */
const renewalDelay = seconds(5)
const renewalSpread = seconds(10)

export class ReceivedNotifications<Peer, Resource extends ResourceTraits> {
  readonly #context: EndpointContext<Peer, Resource>
  readonly #sent: SentRequests<Peer, Resource>

  constructor(context: EndpointContext<Peer, Resource>, sent: SentRequests<Peer, Resource>) {
    this.#context = context
    this.#sent = sent
  }

  /** For a request that is observing: a notification, or the end of its registration. */
  receive(
    request: OutgoingRequest<Peer, Resource>,
    code: ResponseCode,
    message: CoapContent,
    options: ResponseOptions,
    now: Instant,
  ): void {
    if (!isSuccess(code) || options.observe === undefined) {
      const wasAnswered = request.answered
      this.#sent.end(request, now)
      this.#sent.deliver(request, responseOf(request, code, message.payload.slice(), options, undefined))
      if (wasAnswered) this.#context.outputs.push({ kind: 'subscription-ended', request, reason: code })
      return
    }
    const incoming = { sequence: options.observe, at: now }
    // A reliable transport keeps the order, and its numbers say nothing (RFC 8323 section 7.1).
    const ordered = request.association.reliable !== undefined
    if (!ordered && request.newest !== undefined && !isFresher(request.newest, incoming)) {
      return this.#sent.discarded(request.association, 'stale notification')
    }
    const { block2 } = options
    if (block2?.more === true) {
      if (block2.number !== 0 || !fitsBlock(block2, message.payload.length)) {
        return this.#sent.discarded(request.association, 'notification with a wrong block')
      }
      return this.continueElsewhere(request, message, options, block2, now)
    }
    request.newest = incoming
    this.awaitNotification(request, options, now)
    if (request.continuedBy !== undefined) this.#sent.end(request.continuedBy, now)
    request.continuedBy = undefined
    this.#sent.deliver(request, responseOf(request, code, message.payload.slice(), options, options.observe))
  }

  /** An observation keeps its token; the rest of its body is fetched by a request beside it (RFC 7959 section 3.4). */
  continueElsewhere(
    request: OutgoingRequest<Peer, Resource>,
    message: CoapContent,
    options: ResponseOptions,
    block: Block,
    now: Instant,
  ): void {
    request.newest = { sequence: options.observe ?? 0, at: now }
    request.state = 'observing'
    this.awaitNotification(request, options, now)
    this.#sent.dropBody(request)
    if (request.continuedBy !== undefined) this.#sent.end(request.continuedBy, now)
    const rest = this.#sent.create(request.association, { ...request.message, observe: false }, { continues: request })
    rest.bert = block.bert === true
    rest.blockBytes = block.size
    rest.received = [message.payload.slice()]
    rest.receivedBytes = message.payload.length
    rest.etag = options.etag?.slice()
    rest.newest = request.newest
    request.continuedBy = rest
    this.#sent.send(rest, now)
  }

  /**
   * A state that its server no longer vouches for is asked for again, by the same registration (RFC 7641 section 3.3.1):
   * so that a server that has lost it is noticed. Only where the peer has named a Max-Age: the 60 seconds that stand for
   * none (RFC 7252 section 5.10.5) would make a poll of every observation.
   */
  awaitNotification(request: OutgoingRequest<Peer, Resource>, { maxAge }: ResponseOptions, now: Instant): void {
    const { limits, timers } = this.#context
    request.renewing = false
    if (maxAge === undefined || !goesWhole(request, request.association.sizes)) return timers.cancel(request)
    const [spread = 0] = this.#context.randomBytes(1)
    const patience = renewalDelay + (renewalSpread * spread) / 0xff
    const wait = Math.min(Math.max(seconds(maxAge) + patience, limits.shortestRenewal), limits.longestRenewal)
    timers.set(request, later(now, milliseconds(Math.round(wait))))
  }
}
