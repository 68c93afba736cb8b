/**
 * The client's half of the endpoint: from a request of ours to its whole response.
 *
 * 1. The request is sent, block by block where its body is long (Block1, RFC 7959 section 2.5).
 * 2. The response is matched by its token on this association; a body in blocks is fetched to its end (Block2, section 2.4).
 * 3. With Observe, the request stays: notifications are put in order (RFC 7641 section 3.4), long ones are fetched too.
 *
 * Each further message has a token of its own, so that a late response to an earlier one matches nothing. Only the blocks of
 * one body share theirs, since there are servers that put a body together by its token; what answers one of them is told
 * from what answers another by its Block1 option (docs/decisions/0007-one-token-for-a-body.md).
 */

import type { Instant } from '@sallyport/clock'
import { later, milliseconds, seconds } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import { couldBeMixedUp } from './block-operation.ts'
import type { Block } from './block-option.ts'
import { blockSizeWithin, fitsBlock, minBlockSize, offsetOf } from './block-option.ts'
import type { CoapAssociation } from './coap-association.ts'
import type { ResponseCode } from './code-registry.ts'
import { isSuccess, methodCodes, responseCodeOf } from './code-registry.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { Confirmable, OutgoingRequest, ReceivedResponse, RequestMessage, ResourceTraits } from './exchange.ts'
import type { CoapContent, CoapMessage } from './message-codec.ts'
import { encodeMessage, messageLength, messageTypes, noBytes, uintValue } from './message-codec.ts'
import type { MessageLayer } from './message-layer.ts'
import { isBert } from './message-sizes.ts'
import { isFresher, type NotificationPosition } from './observe-freshness.ts'
import type { ReliableLayer } from './reliable-layer.ts'
import { goesInBlocks, goesWhole, nextMessage } from './request-message.ts'
import type { ResponseOptions } from './request-options.ts'
import { readResponseOptions } from './request-options.ts'
import { tokenBytes, tokenKeyOf } from './token.ts'

/** A body that changes while it is fetched is begun anew so many times. */
const maxRestarts = 2

/** So long a notification may come late: 5 to 15 seconds, by chance (RFC 7641 section 3.3.1). */
const renewalDelay = seconds(5)
const renewalSpread = seconds(10)

export class OutgoingRequests<Peer, Resource extends ResourceTraits> {
  readonly #context: EndpointContext<Peer, Resource>
  readonly #messages: MessageLayer<Peer, Resource>
  readonly #reliable: ReliableLayer<Peer, Resource>

  constructor(
    context: EndpointContext<Peer, Resource>,
    messages: MessageLayer<Peer, Resource>,
    reliable: ReliableLayer<Peer, Resource>,
  ) {
    this.#context = context
    this.#messages = messages
    this.#reliable = reliable
  }

  /** @throws CodedError `malformed-request` for a path or query that has no encoding */
  begin(
    association: CoapAssociation<Peer, Resource>,
    message: RequestMessage,
    now: Instant,
  ): OutgoingRequest<Peer, Resource> {
    const request = this.#create(association, message)
    for (const other of association.requests?.values() ?? []) {
      if (request.requestTag === undefined && couldBeMixedUp(message, other.message)) this.#tag(request)
    }
    if (association.closed) this.#fail(request, 'association-closed', 'the association is closed', now)
    else if ((association.requests?.size ?? 0) >= this.#context.limits.outgoingRequests) {
      this.#fail(request, 'overloaded', 'too many requests wait on this association', now)
    } else this.#send(request, now)
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
    const request = this.#create(association, kept.message)
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
    this.#end(request, now)
    if (!wasObserving || request.association.closed) return
    // Without a farewell, the next notification is answered by a Reset.
    if (!goesWhole(request, request.association.sizes)) return
    const farewell = this.#create(request.association, request.message, { silent: true })
    this.#send(farewell, now, request.token)
  }

  handle(association: CoapAssociation<Peer, Resource>, message: CoapMessage, now: Instant): void {
    const { messageId, type } = message
    const request = association.requests?.get(tokenKeyOf(message.token))
    if (type === messageTypes.acknowledgement) {
      const outstanding = this.#messages.outstandingOf(association, messageId)
      // Piggy-backed: Message ID and token must both match (RFC 7252 section 5.3.2).
      if (outstanding === undefined || request === undefined || outstanding !== request.confirmable) {
        return this.#discarded(association, 'response that matches nothing')
      }
      const options = readResponseOptions(message)
      if (options === undefined) return this.#fail(request, 'bad-option', 'a critical option in the response', now)
      // Whoever registers us anew may count anew: this answer is the newest, whatever its number.
      if (request.renewing) request.newest = undefined
      return this.#received(request, message, options, now)
    }

    const ring = this.#messages.recentOf(association)
    const seen = ring.find(messageId, now)
    if (seen !== undefined) {
      this.#discarded(association, 'duplicate')
      if (seen.reply !== undefined) this.#messages.send(association, seen.reply)
      return
    }
    const recent = ring.add(messageId, now)
    const options = request === undefined ? undefined : readResponseOptions(message)
    if (request === undefined || options === undefined) {
      this.#discarded(association, 'response that matches nothing')
      return ring.keepReply(recent, this.#messages.reset(association, messageId))
    }
    if (type === messageTypes.confirmable) ring.keepReply(recent, this.#messages.acknowledge(association, messageId))
    this.#received(request, message, options, now)
  }

  /** As `handle`, from a reliable transport: the token alone matches, and nothing can be rejected. */
  handleReliable(association: CoapAssociation<Peer, Resource>, message: CoapContent, now: Instant): void {
    const request = association.requests?.get(tokenKeyOf(message.token))
    if (request === undefined) return this.#discarded(association, 'response that matches nothing')
    const options = readResponseOptions(message, true)
    if (options === undefined) return this.#fail(request, 'bad-option', 'a critical option in the response', now)
    this.#received(request, message, options, now)
  }

  /** No answer in time; or an observation whose last state has grown too old, which is registered again. */
  expired(request: OutgoingRequest<Peer, Resource>, now: Instant): void {
    if (request.state !== 'observing' || request.renewing) {
      return this.#fail(request, 'timed-out', 'no response in time', now)
    }
    request.renewing = true
    this.#send(request, now, request.token)
  }

  /** Reset, or given up. */
  fail(request: OutgoingRequest<Peer, Resource>, code: ErrorCode, detail: string, now: Instant): void {
    this.#fail(request, code, detail, now)
  }

  /** The peer has the request; the response will come separately. */
  acknowledged(request: OutgoingRequest<Peer, Resource>): void {
    request.confirmable = undefined
  }

  close(association: CoapAssociation<Peer, Resource>, now: Instant): void {
    for (const request of [...(association.requests?.values() ?? [])]) {
      this.#fail(request, 'association-closed', 'the association is closed', now)
    }
  }

  #create(
    association: CoapAssociation<Peer, Resource>,
    message: RequestMessage,
    options: { readonly silent?: boolean; readonly continues?: OutgoingRequest<Peer, Resource> } = {},
  ): OutgoingRequest<Peer, Resource> {
    return {
      kind: 'outgoing-request',
      association,
      message,
      token: noBytes,
      tokenKey: '',
      state: 'sending',
      confirmable: undefined,
      blockBytes: association.sizes.blockBytes,
      bert: isBert(association.sizes),
      requestTag: options.continues?.requestTag,
      echo: options.continues?.echo,
      challenged: false,
      sentBytes: 0,
      received: [],
      receivedBytes: 0,
      etag: undefined,
      restarts: 0,
      newest: undefined,
      renewing: false,
      continues: options.continues,
      continuedBy: undefined,
      answered: false,
      silent: options.silent ?? false,
    }
  }

  /** Sends the message that is due: the next block of the request's body, or the request for the next one of the response's. */
  #send(
    request: OutgoingRequest<Peer, Resource>,
    now: Instant,
    token: Uint8Array = this.#context.randomBytes(tokenBytes),
  ): void {
    const { association, message } = request
    request.echo = association.echoForNext ?? request.echo
    association.echoForNext = undefined
    const content = this.#nextFitting(request, token)

    this.#forgetToken(request)
    request.token = token
    request.tokenKey = tokenKeyOf(token)
    association.requests ??= new Map()
    association.requests.set(request.tokenKey, request)
    this.#context.timers.set(request, later(now, message.timeout))
    if (content === undefined) {
      return this.#fail(request, 'request-too-large', 'the peer takes no message that long', now)
    }
    const { reliable } = association
    if (reliable !== undefined) return this.#reliable.send(reliable, content)
    const messageId = this.#messages.nextMessageId(association)
    const confirmable = message.confirmable ?? true
    const type = confirmable ? messageTypes.confirmable : messageTypes.nonConfirmable
    const bytes = encodeMessage({ type, messageId, ...content })
    if (!confirmable) return this.#messages.send(association, bytes)
    request.confirmable = this.#messages.sendConfirmable(association, messageId, bytes, request, now)
    if (request.confirmable === undefined)
      this.#fail(request, 'overloaded', 'too many messages wait on this association', now)
  }

  /** What is due, its block as small as the peer's messages need it; undefined when there is none so small. */
  #nextFitting(request: OutgoingRequest<Peer, Resource>, token: Uint8Array): CoapContent | undefined {
    const { association, message } = request
    const { sizes, reliable } = association
    for (;;) {
      if (request.requestTag === undefined && request.receivedBytes === 0 && goesInBlocks(request, sizes))
        this.#tag(request)
      const content = { code: methodCodes[message.method], token, ...nextMessage(request, sizes) }
      if (reliable !== undefined) return this.#reliable.fits(reliable, content) ? content : undefined
      if (messageLength(content) <= sizes.messageBytes) return content
      const size = blockSizeWithin(request.blockBytes)
      if (content.payload.length === 0 || size === minBlockSize) return undefined
      request.blockBytes = size / 2
    }
  }

  /**
   * A tag that no request on this association has had: a block that an attacker held back cannot become part of a later
   * body (RFC 9175 section 3.5.1).
   */
  #tag(request: OutgoingRequest<Peer, Resource>): void {
    request.requestTag = uintValue(++request.association.requestTags)
  }

  #received(
    request: OutgoingRequest<Peer, Resource>,
    message: CoapContent,
    options: ResponseOptions,
    now: Instant,
  ): void {
    const code = responseCodeOf(message.code)
    if (code === undefined) return
    if (answersEarlierBlock(request, options)) return this.#discarded(request.association, 'answer to an earlier block')
    // A response acknowledges its request, even when it comes before the acknowledgement (RFC 7252 section 5.2.2).
    if (request.confirmable !== undefined) this.#messages.end(request.confirmable, now)
    request.confirmable = undefined
    if (this.#provesFreshness(request, code, options, now)) return
    if (request.state === 'observing') return this.#notified(request, code, message, options, now)
    if (this.#sendsOn(request, code, options, now)) return
    this.#receivedBody(request, code, message, options, now)
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
    this.#send(request, now, request.renewing ? request.token : undefined)
    return true
  }

  /** Block1: true when there is more to send, or the same once more in smaller blocks. */
  #sendsOn(
    request: OutgoingRequest<Peer, Resource>,
    code: ResponseCode,
    options: ResponseOptions,
    now: Instant,
  ): boolean {
    const body = request.message.payload ?? noBytes
    const size = blockSizeWithin(request.blockBytes)
    const chunk = request.bert ? request.blockBytes : size
    const { block1 } = options
    if (block1 === undefined || request.receivedBytes > 0) return false
    if (code === '4.13' && request.sentBytes === 0 && block1.size < size && body.length > block1.size) {
      this.#agreeOn(request, block1)
      this.#send(request, now)
      return true
    }
    if (!isSuccess(code) || request.sentBytes + chunk >= body.length) return false
    if (offsetOf(block1) !== request.sentBytes) {
      this.#fail(request, 'block-sequence-broken', 'the peer acknowledged another block', now)
      return true
    }
    request.sentBytes += chunk
    this.#agreeOn(request, block1)
    this.#send(request, now, request.token)
    return true
  }

  /** Blocks as the peer wants them, and never larger than before. */
  #agreeOn(request: OutgoingRequest<Peer, Resource>, block: Block): void {
    if (request.bert && block.bert === true) return
    request.bert = false
    request.blockBytes = Math.min(blockSizeWithin(request.blockBytes), block.size)
  }

  /** Block2: takes what has come, and asks for the rest. */
  #receivedBody(
    request: OutgoingRequest<Peer, Resource>,
    code: ResponseCode,
    message: CoapContent,
    options: ResponseOptions,
    now: Instant,
  ): void {
    const { block2, etag } = options
    const { payload } = message
    if (request.receivedBytes > 0 && isSuccess(code)) {
      if (block2 === undefined || offsetOf(block2) !== request.receivedBytes) {
        return this.#fail(request, 'block-sequence-broken', 'the peer sent another block', now)
      }
      if (!sameEtag(request.etag, etag)) return this.#restart(request, now)
    }
    const isFirst = request.receivedBytes === 0
    // An error in the middle stands for the whole; what had come is worth nothing.
    if (!isSuccess(code)) this.#dropBody(request)
    if (request.receivedBytes + payload.length > request.message.maxResponseBytes) {
      return this.#fail(request, 'request-too-large', `a response over ${request.message.maxResponseBytes} bytes`, now)
    }
    request.received.push(payload.slice())
    request.receivedBytes += payload.length
    if (isFirst) request.etag = etag?.slice()
    if (block2 === undefined || !block2.more || !isSuccess(code)) return this.#complete(request, code, options, now)
    const misplaced = isFirst ? block2.number !== 0 : block2.size > request.blockBytes
    if (!fitsBlock(block2, payload.length) || misplaced) {
      return this.#fail(request, 'block-sequence-broken', 'a block has another length than it says', now)
    }
    request.bert = block2.bert === true
    request.blockBytes = block2.size
    if (isFirst && request.message.observe === true && options.observe !== undefined) {
      return this.#continueElsewhere(request, message, options, block2, now)
    }
    this.#send(request, now)
  }

  /** An observation keeps its token; the rest of its body is fetched by a request beside it (RFC 7959 section 3.4). */
  #continueElsewhere(
    request: OutgoingRequest<Peer, Resource>,
    message: CoapContent,
    options: ResponseOptions,
    block: Block,
    now: Instant,
  ): void {
    request.newest = { sequence: options.observe ?? 0, at: now }
    request.state = 'observing'
    this.#awaitNotification(request, options, now)
    this.#dropBody(request)
    if (request.continuedBy !== undefined) this.#end(request.continuedBy, now)
    const rest = this.#create(request.association, { ...request.message, observe: false }, { continues: request })
    rest.bert = block.bert === true
    rest.blockBytes = block.size
    rest.received = [message.payload.slice()]
    rest.receivedBytes = message.payload.length
    rest.etag = options.etag?.slice()
    rest.newest = request.newest
    request.continuedBy = rest
    this.#send(rest, now)
  }

  /**
   * A state that its server no longer vouches for is asked for again, by the same registration (RFC 7641 section 3.3.1):
   * so that a server that has lost it is noticed. Only where the peer has named a Max-Age: the 60 seconds that stand for
   * none (RFC 7252 section 5.10.5) would make a poll of every observation.
   */
  #awaitNotification(request: OutgoingRequest<Peer, Resource>, { maxAge }: ResponseOptions, now: Instant): void {
    const { limits, timers } = this.#context
    request.renewing = false
    if (maxAge === undefined || !goesWhole(request, request.association.sizes)) return timers.cancel(request)
    const [spread = 0] = this.#context.randomBytes(1)
    const patience = renewalDelay + (renewalSpread * spread) / 0xff
    const wait = Math.min(Math.max(seconds(maxAge) + patience, limits.shortestRenewal), limits.longestRenewal)
    timers.set(request, later(now, milliseconds(Math.round(wait))))
  }

  #notified(
    request: OutgoingRequest<Peer, Resource>,
    code: ResponseCode,
    message: CoapContent,
    options: ResponseOptions,
    now: Instant,
  ): void {
    if (!isSuccess(code) || options.observe === undefined) {
      const wasAnswered = request.answered
      this.#end(request, now)
      this.#deliver(request, responseOf(request, code, message.payload.slice(), options, undefined))
      if (wasAnswered) this.#context.outputs.push({ kind: 'subscription-ended', request, reason: code })
      return
    }
    const incoming = { sequence: options.observe, at: now }
    // A reliable transport keeps the order, and its numbers say nothing (RFC 8323 section 7.1).
    const ordered = request.association.reliable !== undefined
    if (!ordered && request.newest !== undefined && !isFresher(request.newest, incoming)) {
      return this.#discarded(request.association, 'stale notification')
    }
    const { block2 } = options
    if (block2?.more === true) {
      if (block2.number !== 0 || !fitsBlock(block2, message.payload.length)) {
        return this.#discarded(request.association, 'notification with a wrong block')
      }
      return this.#continueElsewhere(request, message, options, block2, now)
    }
    request.newest = incoming
    this.#awaitNotification(request, options, now)
    if (request.continuedBy !== undefined) this.#end(request.continuedBy, now)
    request.continuedBy = undefined
    this.#deliver(request, responseOf(request, code, message.payload.slice(), options, options.observe))
  }

  #complete(
    request: OutgoingRequest<Peer, Resource>,
    code: ResponseCode,
    options: ResponseOptions,
    now: Instant,
  ): void {
    const body = joined(request.received, request.receivedBytes)
    const etag = request.etag
    this.#dropBody(request)
    const { continues } = request
    if (continues !== undefined) {
      const sequence = request.newest?.sequence
      this.#end(request, now)
      continues.continuedBy = undefined
      const response = responseOf(request, code, body, { ...options, etag }, sequence)
      if (isSuccess(code)) return this.#deliver(continues, response)
      if (continues.answered) return this.#discarded(request.association, 'notification not complete')
      this.#end(continues, now)
      return this.#deliver(continues, response)
    }
    const observed = request.message.observe === true && isSuccess(code) && options.observe !== undefined
    const response = responseOf(request, code, body, { ...options, etag }, observed ? options.observe : undefined)
    if (observed) {
      request.state = 'observing'
      request.newest = { sequence: options.observe ?? 0, at: now }
      this.#awaitNotification(request, options, now)
    } else this.#end(request, now)
    this.#deliver(request, response)
  }

  /** The first is the response, whatever message brought it; what follows are notifications. */
  #deliver(request: OutgoingRequest<Peer, Resource>, response: ReceivedResponse): void {
    const { outputs } = this.#context
    if (request.silent) return
    if (request.answered) {
      outputs.push({ kind: 'notification', request, response })
      return
    }
    request.answered = true
    outputs.push({ kind: 'response', request, response, observed: request.state === 'observing' })
  }

  #restart(request: OutgoingRequest<Peer, Resource>, now: Instant): void {
    const repeatable = request.message.method === 'GET' || request.message.method === 'FETCH'
    if (!repeatable || ++request.restarts > maxRestarts) {
      return this.#fail(request, 'block-sequence-broken', 'the body changed while it was fetched', now)
    }
    this.#dropBody(request)
    if (request.sentBytes > 0) this.#tag(request)
    request.sentBytes = 0
    this.#send(request, now)
  }

  #fail(request: OutgoingRequest<Peer, Resource>, code: ErrorCode, detail: string, now: Instant): void {
    if (request.state === 'ended') return
    this.#end(request, now)
    const { continues } = request
    if (request.silent) return
    if (continues !== undefined) {
      // The rest of a notification is lost, its observation is not.
      continues.continuedBy = undefined
      if (continues.answered) return this.#discarded(request.association, 'notification not complete')
      return this.#fail(continues, code, detail, now)
    }
    if (request.answered) this.#context.outputs.push({ kind: 'subscription-ended', request, reason: code })
    else this.#context.outputs.push({ kind: 'request-failed', request, code, detail })
  }

  #end(request: OutgoingRequest<Peer, Resource>, now: Instant): void {
    request.state = 'ended'
    this.#forgetToken(request)
    this.#context.timers.cancel(request)
    this.#dropBody(request)
    const { confirmable, continuedBy } = request
    request.confirmable = undefined
    request.continuedBy = undefined
    if (confirmable !== undefined) this.#messages.end(confirmable, now)
    if (continuedBy !== undefined) this.#end(continuedBy, now)
  }

  #forgetToken(request: OutgoingRequest<Peer, Resource>): void {
    const { requests } = request.association
    if (requests?.get(request.tokenKey) === request) requests.delete(request.tokenKey)
  }

  #dropBody(request: OutgoingRequest<Peer, Resource>): void {
    request.received = []
    request.receivedBytes = 0
    request.etag = undefined
  }

  #discarded(association: CoapAssociation<Peer, Resource>, reason: string): void {
    this.#context.outputs.push({ kind: 'discarded', peer: association.peer, reason })
  }
}

/** True when a confirmable message was sent for this purpose. */
export const isRequest = <Peer, Resource extends ResourceTraits>(
  purpose: Confirmable<Peer, Resource>['purpose'],
): purpose is OutgoingRequest<Peer, Resource> => purpose.kind === 'outgoing-request'

const responseOf = <Peer, Resource extends ResourceTraits>(
  { association }: OutgoingRequest<Peer, Resource>,
  code: ResponseCode,
  payload: Uint8Array,
  options: ResponseOptions,
  observe: number | undefined,
): ReceivedResponse => ({
  code,
  payload,
  contentFormat: options.contentFormat,
  etag: options.etag?.slice(),
  maxAge: options.maxAge,
  observe,
  recordSequence: association.recordSequence,
})

/** Held back or doubled on its way: the token alone does not tell it from the answer to the block that is due. */
const answersEarlierBlock = <Peer, Resource extends ResourceTraits>(
  { sentBytes, receivedBytes }: OutgoingRequest<Peer, Resource>,
  { block1 }: ResponseOptions,
): boolean => block1 !== undefined && receivedBytes === 0 && offsetOf(block1) < sentBytes

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  const body = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    body.set(part, offset)
    offset += part.length
  }
  return body
}

function sameEtag(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
