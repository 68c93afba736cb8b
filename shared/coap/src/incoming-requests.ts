/**
 * The server's half of the endpoint: from a request message to an answer on the wire.
 *
 * 1. A Message ID seen before gets what was replied then (RFC 7252 section 4.5).
 * 2. Options, path, method and resource are checked, in that order; what fails is answered here.
 * 3. Blocks of a body are taken one by one (RFC 7959); a body fetched by blocks is served from what is kept.
 * 4. What is left is a request output. Its answer is piggy-backed when it comes in time, else separate
 *    (RFC 7252 section 5.2); a confirmable request gets a confirmable answer, a non-confirmable one its like.
 */

import type { Duration, Instant } from '@sallyport/clock'
import { later, seconds } from '@sallyport/clock'
import { CodedError, type ErrorCode, hasCode } from '@sallyport/errors'
import { operationOf } from './block-operation.ts'
import type { Block } from './block-option.ts'
import { blockSizeWithin, blockValue, minBlockSize, offsetOf } from './block-option.ts'
import type { CoapAssociation } from './coap-association.ts'
import type { CoapMethod, ResponseCode } from './code-registry.ts'
import { isSafe, isSuccess, methodOf, responseCodeByte } from './code-registry.ts'
import { EchoChallenges } from './echo-challenges.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { BodyPart, IncomingRequest, IncomingWire, OutgoingResponse, ResourceTraits } from './exchange.ts'
import type { CoapContent, CoapMessage, CoapOption, MessageType } from './message-codec.ts'
import { encodeMessage, messageLength, messageTypes, noBytes, uintValue } from './message-codec.ts'
import type { MessageLayer } from './message-layer.ts'
import type { Observations } from './observations.ts'
import { optionNumbers } from './option-registry.ts'
import type { RecentExchange } from './recent-exchanges.ts'
import type { ReliableConnection, ReliableLayer } from './reliable-layer.ts'
import type { RequestOptions } from './request-options.ts'
import { readRequestOptions } from './request-options.ts'
import { takeFromQuota } from './request-quota.ts'
import type { ShapedResponse } from './response-message.ts'
import { problemOptions, shapeResponse } from './response-message.ts'
import { ServedBodies } from './served-bodies.ts'
import { tokenKeyOf } from './token.ts'
import { Uploads } from './uploads.ts'

/** Seconds after which a peer that was refused for want of room may come again. */
const overloadedMaxAge = 10

/** What an early answer must say of the exchange it belongs to. */
interface Addressee {
  readonly method: CoapMethod | undefined
  readonly confirmable: boolean
  readonly messageId: number
  readonly token: Uint8Array
  readonly recent: RecentExchange | undefined
}

export class IncomingRequests<Peer, Resource extends ResourceTraits> {
  readonly #context: EndpointContext<Peer, Resource>
  readonly #messages: MessageLayer<Peer, Resource>
  readonly #reliable: ReliableLayer<Peer, Resource>
  readonly #observations: Observations<Peer, Resource>
  readonly #echo: EchoChallenges<Peer, Resource>
  readonly uploads: Uploads<Peer, Resource>
  readonly servedBodies: ServedBodies<Peer, Resource>
  /** Requests that wait for their answer, over all associations. */
  open = 0

  constructor(
    context: EndpointContext<Peer, Resource>,
    messages: MessageLayer<Peer, Resource>,
    reliable: ReliableLayer<Peer, Resource>,
    observations: Observations<Peer, Resource>,
  ) {
    this.#context = context
    this.#messages = messages
    this.#reliable = reliable
    this.#observations = observations
    this.#echo = new EchoChallenges(context)
    this.uploads = new Uploads(context)
    this.servedBodies = new ServedBodies(context)
  }

  handle(association: CoapAssociation<Peer, Resource>, message: CoapMessage, now: Instant): void {
    const { messageId } = message
    const ring = this.#messages.recentOf(association)
    const seen = ring.find(messageId, now)
    // A reply that was let go can only be made again where that changes nothing (RFC 7252 section 4.5).
    if (seen !== undefined && !(seen.forgotten && isSafe(methodOf(message.code)))) {
      this.#discarded(association, 'duplicate')
      if (seen.reply !== undefined) this.#messages.send(association, seen.reply)
      return
    }
    const confirmable = message.type === messageTypes.confirmable
    const to: Addressee = {
      method: methodOf(message.code),
      confirmable,
      messageId,
      token: message.token.slice(),
      recent: ring.add(messageId, now),
    }
    this.#accept(association, message, to, now)
  }

  /** As `handle`, from a reliable transport: there are no duplicates and nothing is acknowledged (RFC 8323 section 3). */
  handleReliable(association: CoapAssociation<Peer, Resource>, message: CoapContent, now: Instant): void {
    const to: Addressee = {
      method: methodOf(message.code),
      confirmable: false,
      messageId: 0,
      token: message.token.slice(),
      recent: undefined,
    }
    this.#accept(association, message, to, now)
  }

  #accept(association: CoapAssociation<Peer, Resource>, message: CoapContent, to: Addressee, now: Instant): void {
    const { requestQuota } = this.#context.limits
    if (requestQuota !== undefined) {
      const { left, wait } = takeFromQuota(requestQuota, association.quotaLeft, now)
      association.quotaLeft = left
      if (wait !== undefined) return this.#refuseForQuota(association, to, wait, now)
    }
    const reliable = association.reliable !== undefined
    const options = readRequestOptions(message, reliable)
    if ('refused' in options) {
      if (options.refused === 'bad-option' && !to.confirmable && !reliable) {
        this.#discarded(association, 'critical option in a non-confirmable message')
        this.#messages.reset(association, to.messageId)
        return
      }
      const code: ResponseCode = options.refused === 'bad-option' ? '4.02' : '4.00'
      return this.#refuse(association, to, code, options.refused, options.detail, now)
    }
    this.#route(association, message, options, to, now)
  }

  #route(
    association: CoapAssociation<Peer, Resource>,
    message: CoapContent,
    options: RequestOptions,
    to: Addressee,
    now: Instant,
  ): void {
    const { limits, resources } = this.#context
    const { method } = to
    if (options.proxied) return this.#refuse(association, to, '5.05', 'bad-option', 'no proxy', now)
    const match = resources.find(options.segments)
    if (match === undefined) return this.#refuse(association, to, '4.04', 'not-found', '', now)
    const { resource, parameters } = match
    if (method === undefined || !resource.methods.has(method)) {
      const allowed = [...resource.methods].join(', ')
      return this.#refuse(association, to, '4.05', 'method-not-allowed', allowed, now, resource)
    }
    const isConditional = options.ifMatch.length > 0 || options.ifNoneMatch
    if (isConditional && !resource.conditional) {
      return this.#refuse(association, to, '4.02', 'bad-option', 'no conditions here', now, resource)
    }
    if (message.payload.length > resource.maxRequestBytes) return this.#refuseSize(association, to, resource, now)
    // Each block is asked for its Echo: the last one is what makes the body count.
    if (!this.#echo.isFreshEnough(association, resource, method, options.echo, now)) {
      return this.#challenge(association, to, resource, now)
    }

    const path = `/${options.segments.join('/')}`
    const operation = operationOf(method, path, options)
    const { sizes } = association
    let payload: Uint8Array = noBytes
    let part: BodyPart | undefined
    const { block1, block2 } = options
    if (block1 !== undefined) {
      const step = this.uploads.take(
        association,
        {
          key: `${operation}\n${options.contentFormat}`,
          block: block1,
          payload: message.payload,
          announcedBytes: options.size1,
          maxBytes: resource.maxRequestBytes,
          receives: resource.receives,
        },
        now,
      )
      switch (step.kind) {
        case 'continue': {
          // A smaller size is agreed on with the first block (RFC 7959 section 2.5); later ones keep theirs.
          const isTooLarge = block1.number === 0 && block1.size > sizes.blockSize
          const answer = isTooLarge ? { ...block1, size: sizes.blockSize } : block1
          return this.#reply(association, to, '2.31', [block1Option(answer)], noBytes, now)
        }
        case 'refused':
          if (step.code === 'request-too-large') return this.#refuseSize(association, to, resource, now)
          return this.#refuse(association, to, uploadStatus(step.code), step.code, step.detail, now, resource)
        case 'complete':
          payload = step.body
          break
        case 'part':
          payload = message.payload.slice()
          part = { offset: step.offset, more: block1.more, totalBytes: options.size1 }
          break
      }
    } else {
      if (message.payload.length > 0) payload = message.payload.slice()
      if (resource.receives === 'blocks') part = { offset: 0, more: false, totalBytes: payload.length }
    }

    const wire: IncomingWire = {
      confirmable: to.confirmable,
      messageId: to.messageId,
      token: to.token,
      recent: to.recent,
      block1,
      block2,
      etags: options.etags.map((etag) => etag.slice()),
      operation,
      state: 'waiting',
    }
    const request: IncomingRequest<Peer, Resource> = {
      kind: 'incoming-request',
      association,
      method,
      resource,
      parameters,
      path,
      query: options.query,
      contentFormat: options.contentFormat,
      accept: options.accept,
      conditions: isConditional
        ? { ifMatch: options.ifMatch.map((etag) => etag.slice()), ifNoneMatch: options.ifNoneMatch }
        : undefined,
      payload,
      part,
      range: {
        offset: block2 === undefined ? 0 : offsetOf(block2),
        // Without a Block2 the peer takes what goes, and with BERT as much as it and we can at a time.
        length:
          block2 === undefined || block2.bert === true ? sizes.blockBytes : Math.min(block2.size, sizes.blockSize),
      },
      recordSequence: association.recordSequence,
      observation: undefined,
      wire,
    }
    if (block2 !== undefined && block2.number > 0) {
      const kept = this.servedBodies.find(request, now)
      if (kept !== undefined) return this.#serveKept(request, kept, to, now)
      // A FETCH can be carried out anew when it has come with its payload (RFC 8132 section 2).
      if (method !== 'GET' && !(method === 'FETCH' && payload.length > 0)) {
        return this.#refuse(association, to, '4.08', 'block-sequence-broken', 'the body is gone', now, resource)
      }
    }
    if ((association.openRequests?.size ?? 0) >= limits.openExchanges) {
      return this.#refuse(association, to, '5.03', 'overloaded', '', now, resource)
    }
    this.#observe(request, options.observe, now)
    association.openRequests ??= new Set()
    association.openRequests.add(request)
    this.open++
    if (wire.confirmable) this.#context.timers.set(request, later(now, limits.piggybackDelay))
    this.#context.outputs.push({ kind: 'request', request })
  }

  /** A later block of a body. Its number is longer than that of the first, and that may be too much. */
  #serveKept(request: IncomingRequest<Peer, Resource>, kept: OutgoingResponse, to: Addressee, now: Instant): void {
    try {
      this.#answer(request, kept, now)
    } catch (error) {
      if (!hasCode(error, 'message-too-long')) throw error
      this.#refuse(request.association, to, '5.00', 'message-too-long', '', now, request.resource)
    }
  }

  /** RFC 7641 section 4.1, RFC 8132 section 2.4: 0 registers, 1 deregisters; both are a GET or FETCH besides. */
  #observe(request: IncomingRequest<Peer, Resource>, observe: number | undefined, now: Instant): void {
    const { association, wire } = request
    if (!isSafe(request.method) || wire.token.length === 0) return
    if (observe === 1) this.#observations.endByToken(association, tokenKeyOf(wire.token), 'deregistered', now)
    if (observe !== 0 || !request.resource.observable || (wire.block2?.number ?? 0) > 0) return
    if (request.payload.length > this.#context.limits.observedRequestBytes) return
    request.observation = this.#observations.register(request, now)
  }

  /** One second has passed: the peer must know that its request has arrived. */
  acknowledgeLate(request: IncomingRequest<Peer, Resource>): void {
    if (request.wire.state !== 'waiting') return
    request.wire.state = 'acknowledged'
    this.#keep(
      request.association,
      request.wire.recent,
      this.#messages.acknowledge(request.association, request.wire.messageId),
    )
  }

  respond(request: IncomingRequest<Peer, Resource>, response: OutgoingResponse, now: Instant): void {
    if (request.association.openRequests?.has(request) !== true) return
    this.#answer(request, response, now)
    this.#finish(request)
  }

  /** Forgets what waits, when an association closes. */
  close(association: CoapAssociation<Peer, Resource>): void {
    for (const request of association.openRequests ?? []) this.#finish(request)
    for (const upload of association.uploads?.values() ?? []) this.uploads.drop(upload)
    for (const body of association.servedBodies ?? []) this.servedBodies.drop(body)
  }

  #finish(request: IncomingRequest<Peer, Resource>): boolean {
    if (!request.association.openRequests?.delete(request)) return false
    this.open--
    this.#context.timers.cancel(request)
    const { reliable } = request.association
    if (reliable !== undefined) this.#reliable.answered(reliable, request)
    return true
  }

  #answer(request: IncomingRequest<Peer, Resource>, response: OutgoingResponse, now: Instant): void {
    const { association, wire, observation } = request
    const options: CoapOption[] = []
    if (observation !== undefined) {
      const sequence = this.#observations.activate(observation, isSuccess(response.code), now)
      if (sequence !== undefined) options.push({ number: optionNumbers.Observe, value: uintValue(sequence) })
    }
    if (wire.block1 !== undefined) options.push(block1Option(wire.block1))
    const shaped = this.#shape(request, response, options, now)
    this.#reply(association, wire, shaped.code, shaped.options, shaped.payload, now)
    wire.state = 'answered'
  }

  /** A notification of an observation: confirmable or not as the caller says. Gives the message and its id. */
  encodeNotification(
    request: IncomingRequest<Peer, Resource>,
    response: OutgoingResponse,
    sequence: number | undefined,
    confirmable: boolean,
    now: Instant,
  ): { readonly messageId: number; readonly message: Uint8Array } {
    const content = this.#notification(request, response, sequence, now)
    const messageId = this.#messages.nextMessageId(request.association)
    const type = confirmable ? messageTypes.confirmable : messageTypes.nonConfirmable
    return { messageId, message: encodeMessage({ type, messageId, ...content }) }
  }

  /** A notification over a reliable transport (RFC 8323 section 7.1). */
  sendNotification(
    connection: ReliableConnection<Peer, Resource>,
    request: IncomingRequest<Peer, Resource>,
    response: OutgoingResponse,
    sequence: number | undefined,
    now: Instant,
  ): void {
    this.#reliable.send(connection, this.#notification(request, response, sequence, now))
  }

  #notification(
    request: IncomingRequest<Peer, Resource>,
    response: OutgoingResponse,
    sequence: number | undefined,
    now: Instant,
  ): CoapContent {
    const options: CoapOption[] = []
    if (sequence !== undefined) options.push({ number: optionNumbers.Observe, value: uintValue(sequence) })
    const { code, payload, options: all } = this.#shape(request, response, options, now)
    return { code: responseCodeByte(code), token: request.wire.token, options: all, payload }
  }

  /**
   * Adds the options of a response, gives the block of its body that is due, as small as the peer needs it, and keeps the
   * rest.
   *
   * @throws CodedError `message-too-long` when there is no block so small
   */
  #shape(
    request: IncomingRequest<Peer, Resource>,
    response: OutgoingResponse,
    first: readonly CoapOption[],
    now: Instant,
  ): ShapedResponse & { readonly options: readonly CoapOption[] } {
    const { association, wire } = request
    for (let largest = association.sizes.blockSize; ; largest = blockSizeWithin(largest / 2)) {
      const options = [...first]
      const shaped = shapeResponse(request, response, options, largest)
      if (fitsDatagram(association, { token: wire.token, options, payload: shaped.payload })) {
        if (shaped.rest !== undefined) this.servedBodies.keep(request, shaped.rest, now)
        return { ...shaped, options }
      }
      if (largest === minBlockSize) {
        throw new CodedError('message-too-long', `a response of over ${association.sizes.messageBytes} bytes`)
      }
    }
  }

  #refuseSize(association: CoapAssociation<Peer, Resource>, to: Addressee, resource: Resource, now: Instant): void {
    const options: CoapOption[] = [{ number: optionNumbers.Size1, value: uintValue(resource.maxRequestBytes) }]
    const payload = problemOptions(options, 'request-too-large', `at most ${resource.maxRequestBytes} bytes`)
    this.#told(association, to, resource, '4.13', 'request-too-large')
    this.#reply(association, to, '4.13', options, payload, now)
  }

  /** 4.29 with Max-Age: not before then (RFC 8516). */
  #refuseForQuota(association: CoapAssociation<Peer, Resource>, to: Addressee, wait: Duration, now: Instant): void {
    const maxAge = Math.max(1, Math.ceil(wait / seconds(1)))
    const options: CoapOption[] = [{ number: optionNumbers['Max-Age'], value: uintValue(maxAge) }]
    const payload = problemOptions(options, 'rate-limited', '')
    this.#told(association, to, undefined, '4.29', 'rate-limited')
    this.#reply(association, to, '4.29', options, payload, now)
  }

  /** 4.01 with an Echo value to repeat (RFC 9175 section 2.4); what has come of a body stays. */
  #challenge(association: CoapAssociation<Peer, Resource>, to: Addressee, resource: Resource, now: Instant): void {
    const value = this.#echo.challenge(association, resource.freshWithin ?? seconds(0), now)
    const options: CoapOption[] = [{ number: optionNumbers.Echo, value }]
    const payload = problemOptions(options, 'freshness-required', '')
    this.#told(association, to, resource, '4.01', 'freshness-required')
    this.#reply(association, to, '4.01', options, payload, now)
  }

  #refuse(
    association: CoapAssociation<Peer, Resource>,
    to: Addressee,
    code: ResponseCode,
    errorCode: ErrorCode,
    detail: string,
    now: Instant,
    resource?: Resource,
  ): void {
    const options: CoapOption[] = []
    if (code === '5.03') options.push({ number: optionNumbers['Max-Age'], value: uintValue(overloadedMaxAge) })
    this.#told(association, to, resource, code, errorCode)
    this.#reply(association, to, code, options, problemOptions(options, errorCode, detail), now)
  }

  #reply(
    association: CoapAssociation<Peer, Resource>,
    to: Omit<Addressee, 'method'> | IncomingWire,
    code: ResponseCode,
    options: readonly CoapOption[],
    payload: Uint8Array,
    now: Instant,
  ): void {
    const { reliable } = association
    if (reliable !== undefined) {
      return this.#reliable.send(reliable, { code: responseCodeByte(code), token: to.token, options, payload })
    }
    // What is too long here is an error's explanation: a response has been made to fit.
    if (!fitsDatagram(association, { token: to.token, options, payload })) {
      const bare = options.filter(({ number }) => number !== optionNumbers['Content-Format'])
      return this.#reply(association, to, code, bare, noBytes, now)
    }
    const late = 'state' in to && to.state === 'acknowledged'
    const piggybacked = to.confirmable && !late
    const messageId = piggybacked ? to.messageId : this.#messages.nextMessageId(association)
    const type: MessageType = piggybacked
      ? messageTypes.acknowledgement
      : late
        ? messageTypes.confirmable
        : messageTypes.nonConfirmable
    const message = encodeMessage({ type, code: responseCodeByte(code), messageId, token: to.token, options, payload })
    if (piggybacked) this.#keep(association, to.recent, message)
    if (!late) return this.#messages.send(association, message)
    const sent = this.#messages.sendConfirmable(association, messageId, message, { kind: 'separate-response' }, now)
    if (sent === undefined) this.#discarded(association, 'separate response without a place in the queue')
  }

  #keep(association: CoapAssociation<Peer, Resource>, recent: RecentExchange | undefined, reply: Uint8Array): void {
    if (recent !== undefined) this.#messages.recentOf(association).keepReply(recent, reply)
  }

  #told(
    association: CoapAssociation<Peer, Resource>,
    to: Addressee,
    resource: Resource | undefined,
    code: ResponseCode,
    errorCode: ErrorCode,
  ): void {
    this.#context.outputs.push({
      kind: 'refused',
      peer: association.peer,
      resource,
      method: to.method,
      code,
      errorCode,
    })
  }

  #discarded(association: CoapAssociation<Peer, Resource>, reason: string): void {
    this.#context.outputs.push({ kind: 'discarded', peer: association.peer, reason })
  }
}

/** On a reliable transport its layer knows. */
const fitsDatagram = <Peer, Resource extends ResourceTraits>(
  { reliable, sizes }: CoapAssociation<Peer, Resource>,
  message: Omit<CoapContent, 'code'>,
): boolean => reliable !== undefined || messageLength(message) <= sizes.messageBytes

const block1Option = (block: Block): CoapOption => ({ number: optionNumbers.Block1, value: blockValue(block) })

function uploadStatus(code: ErrorCode): ResponseCode {
  switch (code) {
    case 'block-sequence-broken':
      return '4.08'
    case 'overloaded':
      return '5.03'
    default:
      return '4.00'
  }
}
