/**
 * The message layer (RFC 7252 section 4): Message IDs, confirmable messages with retransmission and back-off, and one of
 * them on its way per association (NSTART); further ones wait in a bounded queue.
 */

import type { Duration, Instant } from '@sallyport/clock'
import { later, milliseconds } from '@sallyport/clock'
import type { CoapAssociation } from './coap-association.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { Confirmable, ResourceTraits } from './exchange.ts'
import { encodeEmpty, messageTypes } from './message-codec.ts'
import { RecentExchanges } from './recent-exchanges.ts'

/** ACK_RANDOM_FACTOR (RFC 7252 section 4.8): the first time-out is spread over this much of itself. */
const randomSpread = 0.5

export class MessageLayer<Peer, Resource extends ResourceTraits> {
  readonly #context: EndpointContext<Peer, Resource>

  constructor(context: EndpointContext<Peer, Resource>) {
    this.#context = context
  }

  send(association: CoapAssociation<Peer, Resource>, message: Uint8Array): void {
    if (!association.closed) this.#context.outputs.push({ kind: 'send', peer: association.peer, message })
  }

  acknowledge(association: CoapAssociation<Peer, Resource>, messageId: number): Uint8Array {
    const message = encodeEmpty(messageTypes.acknowledgement, messageId)
    this.send(association, message)
    return message
  }

  reset(association: CoapAssociation<Peer, Resource>, messageId: number): Uint8Array {
    const message = encodeEmpty(messageTypes.reset, messageId)
    this.send(association, message)
    return message
  }

  recentOf(association: CoapAssociation<Peer, Resource>): RecentExchanges {
    association.recent ??= new RecentExchanges(this.#context.limits)
    return association.recent
  }

  nextMessageId(association: CoapAssociation<Peer, Resource>): number {
    const messageId = association.nextMessageId ?? this.#random16()
    association.nextMessageId = (messageId + 1) & 0xffff
    return messageId
  }

  /** Sends it now or when its turn comes; undefined when too many wait already. */
  sendConfirmable(
    association: CoapAssociation<Peer, Resource>,
    messageId: number,
    message: Uint8Array,
    purpose: Confirmable<Peer, Resource>['purpose'],
    now: Instant,
  ): Confirmable<Peer, Resource> | undefined {
    const { limits } = this.#context
    const timeout = this.#firstTimeout()
    const confirmable: Confirmable<Peer, Resource> = {
      kind: 'confirmable',
      association,
      messageId,
      message,
      purpose,
      timeout,
      transmissions: 0,
    }
    if ((association.outstanding?.length ?? 0) < limits.outstandingConfirmables) {
      this.#transmit(confirmable, now)
      return confirmable
    }
    association.waiting ??= []
    if (association.waiting.length >= limits.waitingConfirmables) return undefined
    association.waiting.push(confirmable)
    return confirmable
  }

  /** The peer answered with this Message ID: what it answers to, which is thereby done; undefined when nothing is. */
  answered(
    association: CoapAssociation<Peer, Resource>,
    messageId: number,
    now: Instant,
  ): Confirmable<Peer, Resource> | undefined {
    const confirmable = association.outstanding?.find((candidate) => candidate.messageId === messageId)
    if (confirmable !== undefined) this.end(confirmable, now)
    return confirmable
  }

  /** Looks without ending it. */
  outstandingOf(
    association: CoapAssociation<Peer, Resource>,
    messageId: number,
  ): Confirmable<Peer, Resource> | undefined {
    return association.outstanding?.find((candidate) => candidate.messageId === messageId)
  }

  /** Stops a confirmable message and lets the next one go. */
  end(confirmable: Confirmable<Peer, Resource>, now: Instant): void {
    const { association } = confirmable
    this.#context.timers.cancel(confirmable)
    remove(association.waiting, confirmable)
    if (!remove(association.outstanding, confirmable)) return
    const next = association.waiting?.shift()
    if (next !== undefined) this.#transmit(next, now)
  }

  /** The time-out of a confirmable message: sends it once more, or says that it has been given up. */
  expired(confirmable: Confirmable<Peer, Resource>, now: Instant): 'retransmitted' | 'given-up' {
    if (confirmable.transmissions > this.#context.limits.maxRetransmit) {
      this.end(confirmable, now)
      return 'given-up'
    }
    this.send(confirmable.association, confirmable.message)
    confirmable.transmissions++
    confirmable.timeout = milliseconds(confirmable.timeout * 2)
    this.#context.timers.set(confirmable, later(now, confirmable.timeout))
    return 'retransmitted'
  }

  #transmit(confirmable: Confirmable<Peer, Resource>, now: Instant): void {
    const { association } = confirmable
    association.outstanding ??= []
    association.outstanding.push(confirmable)
    confirmable.transmissions = 1
    this.send(association, confirmable.message)
    this.#context.timers.set(confirmable, later(now, confirmable.timeout))
  }

  #firstTimeout(): Duration {
    const spread = 1 + (randomSpread * this.#random16()) / 0xffff
    return milliseconds(Math.round(this.#context.limits.acknowledgementTimeout * spread))
  }

  #random16(): number {
    const bytes = this.#context.randomBytes(2)
    return ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)
  }
}

function remove<Item>(items: Item[] | undefined, item: Item): boolean {
  const index = items?.indexOf(item) ?? -1
  if (index === -1) return false
  items?.splice(index, 1)
  return true
}
