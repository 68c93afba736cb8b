/**
 * A request of ours on its association: made, sent message by message, told of, and ended with all that it holds.
 *
 * Each message that is sent has its token and its deadline; what it says is for `request-message.ts`, and what follows from
 * a response for `body-transfers.ts` and `received-notifications.ts`.
 */

import type { Instant } from '@sallyport/clock'
import { later } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import { blockSizeWithin, minBlockSize } from './block-option.ts'
import type { CoapAssociation } from './coap-association.ts'
import { methodCodes } from './code-registry.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { OutgoingRequest, ReceivedResponse, RequestMessage, ResourceTraits } from './exchange.ts'
import type { CoapContent } from './message-codec.ts'
import { encodeMessage, messageLength, messageTypes, noBytes, uintValue } from './message-codec.ts'
import type { MessageLayer } from './message-layer.ts'
import { isBert } from './message-sizes.ts'
import type { ReliableLayer } from './reliable-layer.ts'
import { goesInBlocks, nextMessage } from './request-message.ts'
import { tokenBytes, tokenKeyOf } from './token.ts'

export class SentRequests<Peer, Resource extends ResourceTraits> {
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

  /** @param options.continues the observation for which the new one fetches the rest of a notification */
  create(
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
  send(
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
      return this.fail(request, 'request-too-large', 'the peer takes no message that long', now)
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
      this.fail(request, 'overloaded', 'too many messages wait on this association', now)
  }

  /** What is due, its block as small as the peer's messages need it; undefined when there is none so small. */
  #nextFitting(request: OutgoingRequest<Peer, Resource>, token: Uint8Array): CoapContent | undefined {
    const { association, message } = request
    const { sizes, reliable } = association
    for (;;) {
      if (request.requestTag === undefined && request.receivedBytes === 0 && goesInBlocks(request, sizes))
        this.tag(request)
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
  tag(request: OutgoingRequest<Peer, Resource>): void {
    request.requestTag = uintValue(++request.association.requestTags)
  }

  /** The first is the response, whatever message brought it; what follows are notifications. */
  deliver(request: OutgoingRequest<Peer, Resource>, response: ReceivedResponse): void {
    const { outputs } = this.#context
    if (request.silent) return
    if (request.answered) {
      outputs.push({ kind: 'notification', request, response })
      return
    }
    request.answered = true
    outputs.push({ kind: 'response', request, response, observed: request.state === 'observing' })
  }

  /** Ends it without an answer, which is told; nothing when it has ended already. */
  fail(request: OutgoingRequest<Peer, Resource>, code: ErrorCode, detail: string, now: Instant): void {
    if (request.state === 'ended') return
    this.end(request, now)
    const { continues } = request
    if (request.silent) return
    if (continues !== undefined) {
      // The rest of a notification is lost, its observation is not.
      continues.continuedBy = undefined
      if (continues.answered) return this.discarded(request.association, 'notification not complete')
      return this.fail(continues, code, detail, now)
    }
    if (request.answered) this.#context.outputs.push({ kind: 'subscription-ended', request, reason: code })
    else this.#context.outputs.push({ kind: 'request-failed', request, code, detail })
  }

  /** Lets go of all that it holds. Nobody is told. */
  end(request: OutgoingRequest<Peer, Resource>, now: Instant): void {
    request.state = 'ended'
    this.#forgetToken(request)
    this.#context.timers.cancel(request)
    this.dropBody(request)
    const { confirmable, continuedBy } = request
    request.confirmable = undefined
    request.continuedBy = undefined
    if (confirmable !== undefined) this.#messages.end(confirmable, now)
    if (continuedBy !== undefined) this.end(continuedBy, now)
  }

  #forgetToken(request: OutgoingRequest<Peer, Resource>): void {
    const { requests } = request.association
    if (requests?.get(request.tokenKey) === request) requests.delete(request.tokenKey)
  }

  /** What had come of the response is worth nothing, or has been taken. */
  dropBody(request: OutgoingRequest<Peer, Resource>): void {
    request.received = []
    request.receivedBytes = 0
    request.etag = undefined
  }

  /** Noise, or what comes too late. */
  discarded(association: CoapAssociation<Peer, Resource>, reason: string): void {
    this.#context.outputs.push({ kind: 'discarded', peer: association.peer, reason })
  }
}
