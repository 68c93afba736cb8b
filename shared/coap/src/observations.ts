/**
 * Observations of peers at our resources (RFC 7641 section 4): who is registered, with which sequence number, and how the
 * next notification goes.
 *
 * An observer whose registration was confirmable gets confirmable notifications: they arrive, they are paced by their
 * acknowledgements, and one that fails ends the observation. Another gets non-confirmable ones, with a confirmable one
 * among them often enough to notice that it has gone, and instead of one that would follow too soon.
 */

import type { Instant } from '@sallyport/clock'
import { hasCode } from '@sallyport/errors'
import type { CoapAssociation } from './coap-association.ts'
import { isSuccess } from './code-registry.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { IncomingRequest, Observation, ObservationEnd, OutgoingResponse, ResourceTraits } from './exchange.ts'
import type { IncomingRequests } from './incoming-requests.ts'
import type { MessageLayer } from './message-layer.ts'
import { tokenKeyOf } from './token.ts'

const sequenceMask = 0xffffff

export class Observations<Peer, Resource extends ResourceTraits> {
  readonly #context: EndpointContext<Peer, Resource>
  readonly #messages: MessageLayer<Peer, Resource>
  /** Registrations over all associations. */
  count = 0

  constructor(context: EndpointContext<Peer, Resource>, messages: MessageLayer<Peer, Resource>) {
    this.#context = context
    this.#messages = messages
  }

  /** Undefined when the association has as many as it may: the request stays a plain GET. */
  register(request: IncomingRequest<Peer, Resource>, now: Instant): Observation<Peer, Resource> | undefined {
    const { association, wire } = request
    const tokenKey = tokenKeyOf(wire.token)
    const previous = association.observations?.get(tokenKey)
    if (previous !== undefined) this.end(previous, 'replaced', now)
    if ((association.observations?.size ?? 0) >= this.#context.limits.observations) return undefined
    const observation: Observation<Peer, Resource> = {
      kind: 'observation',
      association,
      request,
      tokenKey,
      state: 'registering',
      // A registration renewed with its token goes on counting: the observer compares (RFC 7641 section 4.4).
      sequence: previous?.sequence ?? 0,
      sinceConfirmable: 0,
      lastConfirmableAt: now,
      lastAt: now,
      lastMessageId: -1,
      inFlight: undefined,
      next: undefined,
    }
    association.observations ??= new Map()
    association.observations.set(tokenKey, observation)
    this.count++
    return observation
  }

  /** A registration that another process has had, as if it had just been notified. */
  resume(request: IncomingRequest<Peer, Resource>, sequence: number, now: Instant): Observation<Peer, Resource> {
    const { association, wire } = request
    const observation: Observation<Peer, Resource> = {
      kind: 'observation',
      association,
      request,
      tokenKey: tokenKeyOf(wire.token),
      state: 'active',
      sequence: sequence & sequenceMask,
      sinceConfirmable: 0,
      lastConfirmableAt: now,
      lastAt: now,
      lastMessageId: -1,
      inFlight: undefined,
      next: undefined,
    }
    association.observations ??= new Map()
    if (!association.observations.has(observation.tokenKey)) this.count++
    association.observations.set(observation.tokenKey, observation)
    return observation
  }

  /** The first response is on its way: gives its sequence number, or ends a registration that was refused. */
  activate(observation: Observation<Peer, Resource>, succeeded: boolean, now: Instant): number | undefined {
    if (observation.state !== 'registering') return undefined
    if (!succeeded) {
      this.end(observation, 'refused', now)
      return undefined
    }
    observation.state = 'active'
    observation.lastConfirmableAt = now
    observation.lastAt = now
    return this.#nextSequence(observation)
  }

  /** Sends the state; while a confirmable notification is on its way, the newest state waits for it. */
  notify(
    observation: Observation<Peer, Resource>,
    response: OutgoingResponse,
    requests: IncomingRequests<Peer, Resource>,
    now: Instant,
  ): void {
    if (observation.state !== 'active') return
    if (observation.inFlight !== undefined) {
      observation.next = response
      return
    }
    const goesOn = isSuccess(response.code)
    const { reliable } = observation.association
    if (reliable !== undefined) {
      const sequence = goesOn ? this.#nextSequence(observation) : undefined
      requests.sendNotification(reliable, observation.request, response, sequence, now)
      if (!goesOn) this.end(observation, 'refused', now)
      return
    }
    const confirmable = !goesOn || this.#mustConfirm(observation, now)
    const sequence = goesOn ? this.#nextSequence(observation) : undefined
    const { messageId, message } = requests.encodeNotification(
      observation.request,
      response,
      sequence,
      confirmable,
      now,
    )
    observation.lastMessageId = messageId
    observation.lastAt = now
    const { association } = observation
    if (!confirmable) {
      observation.sinceConfirmable++
      this.#messages.send(association, message)
      return
    }
    observation.sinceConfirmable = 0
    observation.lastConfirmableAt = now
    const purpose = goesOn ? observation : ({ kind: 'separate-response' } as const)
    const sent = this.#messages.sendConfirmable(association, messageId, message, purpose, now)
    if (!goesOn) this.end(observation, 'refused', now)
    else if (sent === undefined) this.end(observation, 'limit', now)
    else observation.inFlight = sent
  }

  acknowledged(
    observation: Observation<Peer, Resource>,
    requests: IncomingRequests<Peer, Resource>,
    now: Instant,
  ): void {
    observation.inFlight = undefined
    const { next } = observation
    observation.next = undefined
    if (next === undefined) return
    try {
      this.notify(observation, next, requests, now)
    } catch (error) {
      // Nobody is left to be told but the observer, whose registration ends.
      if (!hasCode(error, 'message-too-long')) throw error
      this.end(observation, 'refused', now)
    }
  }

  /** The peer has reset a notification: it wants no more of them (RFC 7641 section 3.6). */
  resetByMessageId(association: CoapAssociation<Peer, Resource>, messageId: number, now: Instant): void {
    for (const observation of association.observations?.values() ?? []) {
      if (observation.lastMessageId === messageId) return this.end(observation, 'reset', now)
    }
  }

  endByToken(
    association: CoapAssociation<Peer, Resource>,
    tokenKey: string,
    reason: ObservationEnd,
    now: Instant,
  ): void {
    const observation = association.observations?.get(tokenKey)
    if (observation !== undefined) this.end(observation, reason, now)
  }

  /** A notification that is still on its way is given up with it: nobody waits for it. */
  end(observation: Observation<Peer, Resource>, reason: ObservationEnd, now: Instant): void {
    if (observation.state === 'ended') return
    observation.state = 'ended'
    observation.next = undefined
    if (observation.inFlight !== undefined) this.#messages.end(observation.inFlight, now)
    observation.inFlight = undefined
    observation.association.observations?.delete(observation.tokenKey)
    this.count--
    this.#context.outputs.push({ kind: 'observation-ended', observation, reason })
  }

  close(association: CoapAssociation<Peer, Resource>, now: Instant): void {
    for (const observation of association.observations?.values() ?? []) this.end(observation, 'association-closed', now)
  }

  #mustConfirm(observation: Observation<Peer, Resource>, now: Instant): boolean {
    const { confirmableEvery, confirmableInterval, nonConfirmableInterval } = this.#context.limits
    return (
      observation.request.wire.confirmable ||
      observation.sinceConfirmable + 1 >= confirmableEvery ||
      now - observation.lastConfirmableAt >= confirmableInterval ||
      now - observation.lastAt < nonConfirmableInterval
    )
  }

  #nextSequence(observation: Observation<Peer, Resource>): number {
    observation.sequence = (observation.sequence + 1) & sequenceMask
    return observation.sequence
  }
}
