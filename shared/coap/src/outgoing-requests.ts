/**
 * The client's half of the endpoint: from a request of ours to its whole response.
 *
 * 1. The request is sent (`sent-requests.ts`), block by block where its body is long (`body-transfers.ts`).
 * 2. The response is matched by its token on this association; a body in blocks is fetched to its end.
 * 3. With Observe, the request stays, and notifications follow (`received-notifications.ts`).
 *
 * Each further message has a token of its own, so that a late response to an earlier one matches nothing. Only the blocks of
 * one body share theirs, since there are servers that put a body together by its token; what answers one of them is told
 * from what answers another by its Block1 option (docs/decisions/0007-one-token-for-a-body.md).
 */

import type { Instant } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import { couldBeMixedUp } from './block-operation.ts'
import { offsetOf } from './block-option.ts'
import { BodyTransfers } from './body-transfers.ts'
import type { CoapAssociation } from './coap-association.ts'
import type { ResponseCode } from './code-registry.ts'
import { responseCodeOf } from './code-registry.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { OutgoingRequest, RequestMessage, ResourceTraits } from './exchange.ts'
import type { CoapContent, CoapMessage } from './message-codec.ts'
import { messageTypes } from './message-codec.ts'
import type { MessageLayer } from './message-layer.ts'
import type { NotificationPosition } from './observe-freshness.ts'
import { ReceivedNotifications } from './received-notifications.ts'
import type { ReliableLayer } from './reliable-layer.ts'
import { goesWhole } from './request-message.ts'
import type { ResponseOptions } from './request-options.ts'
import { readResponseOptions } from './request-options.ts'
import { SentRequests } from './sent-requests.ts'
import { tokenKeyOf } from './token.ts'

export class OutgoingRequests<Peer, Resource extends ResourceTraits> {
  readonly #context: EndpointContext<Peer, Resource>
  readonly #messages: MessageLayer<Peer, Resource>
  readonly #sent: SentRequests<Peer, Resource>
  readonly #notifications: ReceivedNotifications<Peer, Resource>
  readonly #bodies: BodyTransfers<Peer, Resource>

  constructor(
    context: EndpointContext<Peer, Resource>,
    messages: MessageLayer<Peer, Resource>,
    reliable: ReliableLayer<Peer, Resource>,
  ) {
    this.#context = context
    this.#messages = messages
    this.#sent = new SentRequests(context, messages, reliable)
    this.#notifications = new ReceivedNotifications(context, this.#sent)
    this.#bodies = new BodyTransfers(this.#sent, this.#notifications)
  }

  /** @throws CodedError `malformed-request` for a path or query that has no encoding */
  begin(
    association: CoapAssociation<Peer, Resource>,
    message: RequestMessage,
    now: Instant,
  ): OutgoingRequest<Peer, Resource> {
    const request = this.#sent.create(association, message)
    for (const other of association.requests?.values() ?? []) {
      if (request.requestTag === undefined && couldBeMixedUp(message, other.message)) this.#sent.tag(request)
    }
    if (association.closed) this.#sent.fail(request, 'association-closed', 'the association is closed', now)
    else if ((association.requests?.size ?? 0) >= this.#context.limits.outgoingRequests) {
      this.#sent.fail(request, 'overloaded', 'too many requests wait on this association', now)
    } else this.#sent.send(request, now)
    return request
  }

  /**
   * An observation of ours that another process has had.
   *
   * @param kept.renewalAt when the registration is sent again; undefined: not by itself
   */
  resume(
    association: CoapAssociation<Peer, Resource>,
    kept: {
      readonly message: RequestMessage
      readonly token: Uint8Array
      readonly newest: NotificationPosition
      readonly renewalAt: Instant | undefined
    },
    now: Instant,
  ): OutgoingRequest<Peer, Resource> {
    const request = this.#sent.create(association, kept.message)
    request.token = kept.token.slice()
    request.tokenKey = tokenKeyOf(request.token)
    request.state = 'observing'
    request.answered = true
    request.newest = kept.newest
    association.requests ??= new Map()
    association.requests.set(request.tokenKey, request)
    if (kept.renewalAt !== undefined && goesWhole(request, association.sizes)) {
      this.#context.timers.set(request, kept.renewalAt < now ? now : kept.renewalAt)
    }
    return request
  }

  /** Ends an observation of ours or a request whose answer is no longer wanted. No output follows. */
  cancel(request: OutgoingRequest<Peer, Resource>, now: Instant): void {
    const wasObserving = request.state === 'observing'
    if (request.state === 'ended') return
    this.#sent.end(request, now)
    if (!wasObserving || request.association.closed) return
    // Without a farewell, the next notification is answered by a Reset.
    if (!goesWhole(request, request.association.sizes)) return
    const farewell = this.#sent.create(request.association, request.message, { silent: true })
    this.#sent.send(farewell, now, request.token)
  }

  handle(association: CoapAssociation<Peer, Resource>, message: CoapMessage, now: Instant): void {
    const { messageId, type } = message
    const request = association.requests?.get(tokenKeyOf(message.token))
    if (type === messageTypes.acknowledgement) {
      const outstanding = this.#messages.outstandingOf(association, messageId)
      // Piggy-backed: Message ID and token must both match (RFC 7252 section 5.3.2).
      if (outstanding === undefined || request === undefined || outstanding !== request.confirmable) {
        return this.#sent.discarded(association, 'response that matches nothing')
      }
      const options = readResponseOptions(message)
      if (options === undefined) return this.#sent.fail(request, 'bad-option', 'a critical option in the response', now)
      // Whoever registers us anew may count anew: this answer is the newest, whatever its number.
      if (request.renewing) request.newest = undefined
      return this.#received(request, message, options, now)
    }

    const ring = this.#messages.recentOf(association)
    const seen = ring.find(messageId, now)
    if (seen !== undefined) {
      this.#sent.discarded(association, 'duplicate')
      if (seen.reply !== undefined) this.#messages.send(association, seen.reply)
      return
    }
    const recent = ring.add(messageId, now)
    const options = request === undefined ? undefined : readResponseOptions(message)
    if (request === undefined || options === undefined) {
      this.#sent.discarded(association, 'response that matches nothing')
      return ring.keepReply(recent, this.#messages.reset(association, messageId))
    }
    if (type === messageTypes.confirmable) ring.keepReply(recent, this.#messages.acknowledge(association, messageId))
    this.#received(request, message, options, now)
  }

  /** As `handle`, from a reliable transport: the token alone matches, and nothing can be rejected. */
  handleReliable(association: CoapAssociation<Peer, Resource>, message: CoapContent, now: Instant): void {
    const request = association.requests?.get(tokenKeyOf(message.token))
    if (request === undefined) return this.#sent.discarded(association, 'response that matches nothing')
    const options = readResponseOptions(message, true)
    if (options === undefined) return this.#sent.fail(request, 'bad-option', 'a critical option in the response', now)
    this.#received(request, message, options, now)
  }

  /** No answer in time; or an observation whose last state has grown too old, which is registered again. */
  expired(request: OutgoingRequest<Peer, Resource>, now: Instant): void {
    if (request.state !== 'observing' || request.renewing) {
      return this.#sent.fail(request, 'timed-out', 'no response in time', now)
    }
    request.renewing = true
    this.#sent.send(request, now, request.token)
  }

  /** Reset, or given up. */
  fail(request: OutgoingRequest<Peer, Resource>, code: ErrorCode, detail: string, now: Instant): void {
    this.#sent.fail(request, code, detail, now)
  }

  /** The peer has the request; the response will come separately. */
  acknowledged(request: OutgoingRequest<Peer, Resource>): void {
    request.confirmable = undefined
  }

  close(association: CoapAssociation<Peer, Resource>, now: Instant): void {
    for (const request of [...(association.requests?.values() ?? [])]) {
      this.#sent.fail(request, 'association-closed', 'the association is closed', now)
    }
  }

  #received(
    request: OutgoingRequest<Peer, Resource>,
    message: CoapContent,
    options: ResponseOptions,
    now: Instant,
  ): void {
    const code = responseCodeOf(message.code)
    if (code === undefined) return
    if (answersEarlierBlock(request, options))
      return this.#sent.discarded(request.association, 'answer to an earlier block')
    // A response acknowledges its request, even when it comes before the acknowledgement (RFC 7252 section 5.2.2).
    if (request.confirmable !== undefined) this.#messages.end(request.confirmable, now)
    request.confirmable = undefined
    if (this.#provesFreshness(request, code, options, now)) return
    if (request.state === 'observing') return this.#notifications.receive(request, code, message, options, now)
    if (this.#bodies.sendsOn(request, code, options, now)) return
    this.#bodies.receive(request, code, message, options, now)
  }

  /** Echo (RFC 9175 section 2.3): true when the peer asked whether the request is new, and it goes once more. */
  #provesFreshness(
    request: OutgoingRequest<Peer, Resource>,
    code: ResponseCode,
    { echo }: ResponseOptions,
    now: Instant,
  ): boolean {
    const { association, challenged } = request
    const asked = code === '4.01' && echo !== undefined
    if (echo !== undefined && !asked) association.echoForNext = echo.slice()
    request.challenged = asked
    // Asked twice for one message: whoever asks does not take the answer.
    if (!asked || challenged || (request.state !== 'sending' && !request.renewing)) return false
    request.echo = echo.slice()
    this.#sent.send(request, now, request.renewing ? request.token : undefined)
    return true
  }
}

/** Held back or doubled on its way: the token alone does not tell it from the answer to the block that is due. */
const answersEarlierBlock = <Peer, Resource extends ResourceTraits>(
  { sentBytes, receivedBytes }: OutgoingRequest<Peer, Resource>,
  { block1 }: ResponseOptions,
): boolean => block1 !== undefined && receivedBytes === 0 && offsetOf(block1) < sentBytes
