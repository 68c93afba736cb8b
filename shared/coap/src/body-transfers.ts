/**
 * Bodies in blocks, from the client's side (RFC 7959): that of a request goes on with each block that was taken (Block1,
 * section 2.5), that of a response is fetched to its end (Block2, section 2.4). A body in one message is one block.
 */

import type { Instant } from '@sallyport/clock'
import type { Block } from './block-option.ts'
import { blockSizeWithin, fitsBlock, offsetOf } from './block-option.ts'
import type { ResponseCode } from './code-registry.ts'
import { isSuccess } from './code-registry.ts'
import type { OutgoingRequest, ResourceTraits } from './exchange.ts'
import type { CoapContent } from './message-codec.ts'
import { noBytes } from './message-codec.ts'
import type { ReceivedNotifications } from './received-notifications.ts'
import { responseOf } from './received-response.ts'
import type { ResponseOptions } from './request-options.ts'
import type { SentRequests } from './sent-requests.ts'

/** A body that changes while it is fetched is begun anew so many times. */
const maxRestarts = 2

export class BodyTransfers<Peer, Resource extends ResourceTraits> {
  readonly #sent: SentRequests<Peer, Resource>
  readonly #notifications: ReceivedNotifications<Peer, Resource>

  constructor(sent: SentRequests<Peer, Resource>, notifications: ReceivedNotifications<Peer, Resource>) {
    this.#sent = sent
    this.#notifications = notifications
  }

  /** Block1: true when there is more to send, or the same once more in smaller blocks. */
  sendsOn(
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
      this.#sent.send(request, now)
      return true
    }
    if (!isSuccess(code) || request.sentBytes + chunk >= body.length) return false
    if (offsetOf(block1) !== request.sentBytes) {
      this.#sent.fail(request, 'block-sequence-broken', 'the peer acknowledged another block', now)
      return true
    }
    request.sentBytes += chunk
    this.#agreeOn(request, block1)
    this.#sent.send(request, now, request.token)
    return true
  }

  /** Blocks as the peer wants them, and never larger than before. */
  #agreeOn(request: OutgoingRequest<Peer, Resource>, block: Block): void {
    if (request.bert && block.bert === true) return
    request.bert = false
    request.blockBytes = Math.min(blockSizeWithin(request.blockBytes), block.size)
  }

  /** Block2: takes what has come, and asks for the rest. */
  receive(
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
        return this.#sent.fail(request, 'block-sequence-broken', 'the peer sent another block', now)
      }
      if (!sameEtag(request.etag, etag)) return this.#restart(request, now)
    }
    const isFirst = request.receivedBytes === 0
    // An error in the middle stands for the whole; what had come is worth nothing.
    if (!isSuccess(code)) this.#sent.dropBody(request)
    if (request.receivedBytes + payload.length > request.message.maxResponseBytes) {
      return this.#sent.fail(
        request,
        'request-too-large',
        `a response over ${request.message.maxResponseBytes} bytes`,
        now,
      )
    }
    request.received.push(payload.slice())
    request.receivedBytes += payload.length
    if (isFirst) request.etag = etag?.slice()
    if (block2 === undefined || !block2.more || !isSuccess(code)) return this.#complete(request, code, options, now)
    const misplaced = isFirst ? block2.number !== 0 : block2.size > request.blockBytes
    if (!fitsBlock(block2, payload.length) || misplaced) {
      return this.#sent.fail(request, 'block-sequence-broken', 'a block has another length than it says', now)
    }
    request.bert = block2.bert === true
    request.blockBytes = block2.size
    if (isFirst && request.message.observe === true && options.observe !== undefined) {
      return this.#notifications.continueElsewhere(request, message, options, block2, now)
    }
    this.#sent.send(request, now)
  }

  #restart(request: OutgoingRequest<Peer, Resource>, now: Instant): void {
    const repeatable = request.message.method === 'GET' || request.message.method === 'FETCH'
    if (!repeatable || ++request.restarts > maxRestarts) {
      return this.#sent.fail(request, 'block-sequence-broken', 'the body changed while it was fetched', now)
    }
    this.#sent.dropBody(request)
    if (request.sentBytes > 0) this.#sent.tag(request)
    request.sentBytes = 0
    this.#sent.send(request, now)
  }

  #complete(
    request: OutgoingRequest<Peer, Resource>,
    code: ResponseCode,
    options: ResponseOptions,
    now: Instant,
  ): void {
    const body = joined(request.received, request.receivedBytes)
    const etag = request.etag
    this.#sent.dropBody(request)
    const { continues } = request
    if (continues !== undefined) {
      const sequence = request.newest?.sequence
      this.#sent.end(request, now)
      continues.continuedBy = undefined
      const response = responseOf(request, code, body, { ...options, etag }, sequence)
      if (isSuccess(code)) return this.#sent.deliver(continues, response)
      if (continues.answered) return this.#sent.discarded(request.association, 'notification not complete')
      this.#sent.end(continues, now)
      return this.#sent.deliver(continues, response)
    }
    const observed = request.message.observe === true && isSuccess(code) && options.observe !== undefined
    const response = responseOf(request, code, body, { ...options, etag }, observed ? options.observe : undefined)
    if (observed) {
      request.state = 'observing'
      request.newest = { sequence: options.observe ?? 0, at: now }
      this.#notifications.awaitNotification(request, options, now)
    } else this.#sent.end(request, now)
    this.#sent.deliver(request, response)
  }
}

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
