/**
 * A CoAP endpoint over associations: server and client of RFC 7252, 7641 and 7959 at once, without sockets, timers or
 * promises.
 *
 * In: one message of an association, the time, an answer. Out: outputs to drain with `nextOutput`, and `nextTimeout`, at
 * which `handleTimeout` is due. All associations share one queue of deadlines; an idle association has none.
 * An association is one of datagrams (RFC 7252 section 4) or of a reliable byte stream (RFC 8323); what is above that is one.
 * What it refuses to do: to match anything across associations, and to keep anything without a bound.
 */

import type { Duration, Instant } from '@sallyport/clock'
import { later, TimerQueue } from '@sallyport/clock'
import {
  type AssociationParts,
  exportAssociation,
  type ResumedAssociation,
  resumeAssociation,
} from './association-transfer.ts'
import { CoapAssociation } from './coap-association.ts'
import { type CoapStateRefusal, decodeCoapState } from './coap-association-state.ts'
import { emptyCode, isRequestCode, isResponseCode } from './code-registry.ts'
import type { EndpointContext, Timed } from './endpoint-context.ts'
import type { EndpointLimits } from './endpoint-limits.ts'
import { defaultEndpointLimits } from './endpoint-limits.ts'
import type {
  Confirmable,
  IncomingRequest,
  Observation,
  OutgoingRequest,
  OutgoingResponse,
  Output,
  Ping,
  RequestMessage,
  ResourceLookup,
  ResourceTraits,
} from './exchange.ts'
import { IncomingRequests } from './incoming-requests.ts'
import type { CoapContent, CoapMessage, MalformedMessage } from './message-codec.ts'
import { encodeEmpty, messageTypes, parseMessage } from './message-codec.ts'
import { MessageLayer } from './message-layer.ts'
import type { MessageSizes } from './message-sizes.ts'
import { datagramSizes } from './message-sizes.ts'
import { Observations } from './observations.ts'
import { OutgoingRequests } from './outgoing-requests.ts'
import { ReliableLayer } from './reliable-layer.ts'

export interface CoapEndpointOptions<Resource extends ResourceTraits> {
  readonly resources: ResourceLookup<Resource>
  /** Unpredictable bytes. */
  readonly randomBytes: (count: number) => Uint8Array
  readonly limits?: Partial<EndpointLimits>
}

export interface EndpointCounts {
  /** Requests of peers that wait for their answer. */
  readonly openRequests: number
  readonly observations: number
  readonly uploadBytes: number
  readonly servedBodyBytes: number
  /** Of messages on reliable transports that have begun and not ended. */
  readonly unfinishedMessageBytes: number
}

export interface AssociateOptions {
  /**
   * The association is a byte stream that is reliable in itself, as TLS is, and open since then (RFC 8323):
   * `handleMessage` takes its bytes as they come, and the first output is our CSM.
   */
  readonly reliableSince?: Instant
  /**
   * Over datagrams: the longest message that the peer takes, at least 48 bytes. Blocks are made and asked for accordingly;
   * what cannot be made so short fails with a code. Default: as long as the codec encodes, 16 384.
   */
  readonly maxMessageBytes?: number | undefined
}

export class CoapEndpoint<Peer, Resource extends ResourceTraits> {
  readonly #context: EndpointContext<Peer, Resource>
  readonly #messages: MessageLayer<Peer, Resource>
  readonly #observations: Observations<Peer, Resource>
  readonly #incoming: IncomingRequests<Peer, Resource>
  readonly #outgoing: OutgoingRequests<Peer, Resource>
  readonly #reliable: ReliableLayer<Peer, Resource>
  readonly #sizes: MessageSizes
  readonly #parts: AssociationParts<Peer, Resource>
  #drained = 0

  constructor(options: CoapEndpointOptions<Resource>) {
    const limits = { ...defaultEndpointLimits, ...options.limits }
    this.#sizes = datagramSizes(limits.maxBlockBytes)
    this.#context = {
      limits,
      resources: options.resources,
      randomBytes: options.randomBytes,
      timers: new TimerQueue<Timed<Peer, Resource>>(),
      streamBudget: { held: 0, most: limits.unfinishedMessageBytes },
      outputs: [],
    }
    this.#reliable = new ReliableLayer(this.#context, (ping, answered) => this.#endPing(ping, answered))
    this.#messages = new MessageLayer(this.#context)
    this.#observations = new Observations(this.#context, this.#messages)
    this.#incoming = new IncomingRequests(this.#context, this.#messages, this.#reliable, this.#observations)
    this.#outgoing = new OutgoingRequests(this.#context, this.#messages, this.#reliable)
    this.#parts = {
      context: this.#context,
      messages: this.#messages,
      observations: this.#observations,
      outgoing: this.#outgoing,
    }
  }

  get counts(): EndpointCounts {
    return {
      openRequests: this.#incoming.open,
      observations: this.#observations.count,
      uploadBytes: this.#incoming.uploads.bytes,
      servedBodyBytes: this.#incoming.servedBodies.bytes,
      unfinishedMessageBytes: this.#context.streamBudget.held,
    }
  }

  /** When `handleTimeout` is due next; it moves with every call. */
  get nextTimeout(): Instant | undefined {
    return this.#context.timers.next()
  }

  /** The next output, in order; undefined when all have been taken. */
  nextOutput(): Output<Peer, Resource> | undefined {
    const { outputs } = this.#context
    const output = outputs[this.#drained]
    if (output === undefined) {
      outputs.length = 0
      this.#drained = 0
      return undefined
    }
    this.#drained++
    return output
  }

  /** @param peer stands in the outputs for this association */
  associate(peer: Peer, { reliableSince, maxMessageBytes }: AssociateOptions = {}): CoapAssociation<Peer, Resource> {
    const sizes =
      maxMessageBytes === undefined || maxMessageBytes >= this.#sizes.messageBytes
        ? this.#sizes
        : datagramSizes(this.#context.limits.maxBlockBytes, maxMessageBytes)
    const association = new CoapAssociation<Peer, Resource>(peer, sizes)
    if (reliableSince !== undefined) this.#reliable.begin(association, reliableSince)
    return association
  }

  /** On a reliable transport: tells the peer that we leave. What it has asked for can still be answered. */
  release(association: CoapAssociation<Peer, Resource>): void {
    if (association.reliable !== undefined) this.#reliable.release(association.reliable)
  }

  /** Everything of the association ends: requests fail, observations are over, transfers are forgotten. */
  dissociate(association: CoapAssociation<Peer, Resource>, now: Instant): void {
    if (association.closed) return
    association.closed = true
    this.#outgoing.close(association, now)
    this.#observations.close(association, now)
    this.#incoming.close(association)
    const outstanding = [...(association.waiting ?? []), ...(association.outstanding ?? [])]
    association.waiting = undefined
    for (const confirmable of outstanding) {
      this.#messages.end(confirmable, now)
      if (confirmable.purpose.kind === 'ping') this.#endPing(confirmable.purpose, false)
    }
    association.recent = undefined
    const { reliable } = association
    if (reliable === undefined) return
    for (const ping of reliable.pings?.values() ?? []) this.#endPing(ping, false)
    this.#reliable.close(reliable)
  }

  /**
   * @param view one message, or on a reliable transport any bytes of its stream; read during the call only
   * @param recordSequence of the record that brought it, for whoever must know that a request is not one played back
   */
  handleMessage(
    association: CoapAssociation<Peer, Resource>,
    view: Uint8Array,
    now: Instant,
    recordSequence?: number,
  ): void {
    if (association.closed) return
    const { reliable } = association
    if (reliable !== undefined) {
      return this.#reliable.feed(reliable, view, (message) => this.#handleReliable(association, message, now), now)
    }
    association.recordSequence = recordSequence
    const parsed = parseMessage(view)
    if (!parsed.wellFormed) return this.#handleMalformed(association, parsed)
    const { message } = parsed
    const { code, type, messageId } = message
    if (code === emptyCode) return this.#handleEmpty(association, message, now)
    if (type === messageTypes.reset || (isRequestCode(code) && type === messageTypes.acknowledgement)) {
      return this.#discarded(association, 'code that its message type may not have')
    }
    if (isRequestCode(code)) return this.#incoming.handle(association, message, now)
    if (isResponseCode(code)) return this.#outgoing.handle(association, message, now)
    this.#discarded(association, 'reserved code')
    if (type === messageTypes.confirmable) this.#messages.reset(association, messageId)
  }

  /**
   * The association as bytes; it goes on here meanwhile.
   *
   * @param final nothing of it is handled after this call: its successor goes on exactly here. Otherwise it leaves room
   * for what happens until the successor begins.
   */
  exportAssociation(association: CoapAssociation<Peer, Resource>, final: boolean, now: Instant): Uint8Array {
    return exportAssociation(this.#parts, association, final, now)
  }

  /**
   * Gives an association that has just been made what another endpoint has exported; a name for why not where the bytes
   * are no such state.
   *
   * @param isNext nobody has had the association in between: only then is a final state what it says
   */
  importAssociation(
    association: CoapAssociation<Peer, Resource>,
    bytes: Uint8Array,
    isNext: boolean,
    now: Instant,
  ): ResumedAssociation<Peer, Resource> | CoapStateRefusal {
    const state = decodeCoapState(bytes)
    if (typeof state === 'string') return state
    return resumeAssociation(this.#parts, association, { ...state, final: state.final && isNext }, now)
  }

  handleTimeout(now: Instant): void {
    const { timers } = this.#context
    for (let timed = timers.takeExpired(now); timed !== undefined; timed = timers.takeExpired(now)) {
      this.#expire(timed, now)
    }
  }

  /**
   * Answers a request output; a second answer, or one after the association has closed, is ignored.
   *
   * @throws RangeError or CodedError for a response that has no encoding; the request can still be answered then
   */
  respond(request: IncomingRequest<Peer, Resource>, response: OutgoingResponse, now: Instant): void {
    this.#incoming.respond(request, response, now)
  }

  /**
   * Sends the present state of an observed resource; ignored when the observation is over.
   *
   * @throws RangeError or CodedError for a response that has no encoding
   */
  notify(observation: Observation<Peer, Resource>, response: OutgoingResponse, now: Instant): void {
    this.#observations.notify(observation, response, this.#incoming, now)
  }

  /** Ends a registration from our side, without a word to the peer. */
  endObservation(observation: Observation<Peer, Resource>, now: Instant): void {
    this.#observations.end(observation, 'cancelled', now)
  }

  /** @throws CodedError `malformed-request` for a path or query that has no encoding */
  request(
    association: CoapAssociation<Peer, Resource>,
    message: RequestMessage,
    now: Instant,
  ): OutgoingRequest<Peer, Resource> {
    return this.#outgoing.begin(association, message, now)
  }

  /** Ends an observation of ours, or gives up a request. */
  cancel(request: OutgoingRequest<Peer, Resource>, now: Instant): void {
    this.#outgoing.cancel(request, now)
  }

  /**
   * An empty confirmable message, which the peer answers with a Reset (RFC 7252 section 4.3); on a reliable transport a
   * Ping, which it answers with a Pong (RFC 8323 section 5.4).
   */
  ping(association: CoapAssociation<Peer, Resource>, timeout: Duration, now: Instant): Ping<Peer, Resource> {
    const ping: Ping<Peer, Resource> = { kind: 'ping', association, state: 'waiting', confirmable: undefined }
    const { reliable } = association
    if (reliable !== undefined) {
      const sent = !association.closed && this.#reliable.ping(reliable, ping)
      if (sent) this.#context.timers.set(ping, later(now, timeout))
      else this.#endPing(ping, false)
      return ping
    }
    const messageId = this.#messages.nextMessageId(association)
    const message = encodeEmpty(messageTypes.confirmable, messageId)
    if (!association.closed)
      ping.confirmable = this.#messages.sendConfirmable(association, messageId, message, ping, now)
    if (ping.confirmable === undefined) this.#endPing(ping, false)
    else this.#context.timers.set(ping, later(now, timeout))
    return ping
  }

  /** An empty message means nothing there (RFC 8323 section 3.4). */
  #handleReliable(association: CoapAssociation<Peer, Resource>, message: CoapContent, now: Instant): void {
    const { code } = message
    if (code === emptyCode) return
    if (isRequestCode(code)) return this.#incoming.handleReliable(association, message, now)
    if (isResponseCode(code)) return this.#outgoing.handleReliable(association, message, now)
    this.#discarded(association, 'reserved code')
  }

  #handleMalformed(association: CoapAssociation<Peer, Resource>, malformed: MalformedMessage): void {
    this.#discarded(association, malformed.reason)
    // Only a confirmable message is rejected aloud (RFC 7252 section 4.2); the others are ignored (section 4.3).
    const { rejectable } = malformed
    if (rejectable?.type === messageTypes.confirmable) this.#messages.reset(association, rejectable.messageId)
  }

  #handleEmpty(association: CoapAssociation<Peer, Resource>, message: CoapMessage, now: Instant): void {
    const { messageId } = message
    switch (message.type) {
      case messageTypes.confirmable:
        this.#messages.reset(association, messageId)
        this.#context.outputs.push({ kind: 'pinged', peer: association.peer })
        return
      case messageTypes.nonConfirmable:
        return this.#discarded(association, 'empty non-confirmable message')
      case messageTypes.acknowledgement: {
        const confirmable = this.#messages.answered(association, messageId, now)
        if (confirmable === undefined) return this.#discarded(association, 'acknowledgement that matches nothing')
        return this.#acknowledged(confirmable, now)
      }
      case messageTypes.reset: {
        const confirmable = this.#messages.answered(association, messageId, now)
        if (confirmable === undefined) return this.#observations.resetByMessageId(association, messageId, now)
        return this.#reset(confirmable, now)
      }
    }
  }

  #acknowledged(confirmable: Confirmable<Peer, Resource>, now: Instant): void {
    const { purpose } = confirmable
    switch (purpose.kind) {
      case 'outgoing-request':
        return this.#outgoing.acknowledged(purpose)
      case 'observation':
        return this.#observations.acknowledged(purpose, this.#incoming, now)
      case 'ping':
        return this.#endPing(purpose, true)
      case 'separate-response':
        return
    }
  }

  #reset(confirmable: Confirmable<Peer, Resource>, now: Instant): void {
    const { purpose } = confirmable
    switch (purpose.kind) {
      case 'outgoing-request':
        purpose.confirmable = undefined
        return this.#outgoing.fail(purpose, 'device-refused', 'the peer rejected the message', now)
      case 'observation':
        return this.#observations.end(purpose, 'reset', now)
      case 'ping':
        return this.#endPing(purpose, true)
      case 'separate-response':
        return this.#discarded(confirmable.association, 'separate response rejected')
    }
  }

  #expire(timed: Timed<Peer, Resource>, now: Instant): void {
    switch (timed.kind) {
      case 'confirmable':
        if (this.#messages.expired(timed, now) === 'given-up') this.#givenUp(timed, now)
        return
      case 'incoming-request':
        return this.#incoming.acknowledgeLate(timed)
      case 'outgoing-request':
        return this.#outgoing.expired(timed, now)
      case 'ping':
        if (timed.confirmable !== undefined) this.#messages.end(timed.confirmable, now)
        if (timed.association.reliable !== undefined) this.#reliable.forgetPing(timed.association.reliable, timed)
        return this.#endPing(timed, false)
      case 'connection':
        return this.#reliable.expired(timed)
      case 'upload':
        return this.#incoming.uploads.drop(timed)
      case 'served-body':
        return this.#incoming.servedBodies.drop(timed)
    }
  }

  #givenUp(confirmable: Confirmable<Peer, Resource>, now: Instant): void {
    const { purpose } = confirmable
    switch (purpose.kind) {
      case 'outgoing-request':
        purpose.confirmable = undefined
        return this.#outgoing.fail(purpose, 'timed-out', 'the message was not acknowledged', now)
      case 'observation':
        return this.#observations.end(purpose, 'timed-out', now)
      case 'ping':
        return this.#endPing(purpose, false)
      case 'separate-response':
        return this.#discarded(confirmable.association, 'separate response not acknowledged')
    }
  }

  #endPing(ping: Ping<Peer, Resource>, answered: boolean): void {
    if (ping.state === 'ended') return
    ping.state = 'ended'
    this.#context.timers.cancel(ping)
    this.#context.outputs.push({ kind: 'pong', ping, answered })
  }

  #discarded(association: CoapAssociation<Peer, Resource>, reason: string): void {
    this.#context.outputs.push({ kind: 'discarded', peer: association.peer, reason })
  }
}
