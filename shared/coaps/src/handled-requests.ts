/**
 * Requests of peers: gate, handler, answer; and the registrations of those who observe (RFC 7641 section 4).
 *
 * Every request is answered: what a handler throws becomes problem details (RFC 9290), our own faults are told of. A peer
 * that keeps asking for what it may not (ten 4.01 within a minute) is not kept.
 */

import { randomUUID } from 'node:crypto'
import type { Instant } from '@sallyport/clock'
import { between, seconds } from '@sallyport/clock'
import type { OutgoingResponse } from '@sallyport/coap'
import type { ErrorCode } from '@sallyport/errors'
import { CodedError, isCodedError } from '@sallyport/errors'
import type { Incoming, Observed, Peer } from './coap-peer.ts'
import type { CoapRequest, CoapResponse } from './coap-resource.ts'
import { monotonicClock } from './dtls-socket.ts'
import type { Problem } from './problem-response.ts'
import { problemOf } from './problem-response.ts'
import { ServedRequest } from './served-request.ts'
import type { ServiceContext } from './service-context.ts'

/** The gate: a throw answers in the handler's place. */
export type Admit<Identity> = (request: CoapRequest<Identity>) => void | Promise<void>

/** What a handler gave, or the problem that stands for it. */
interface Answer {
  readonly response: OutgoingResponse
  readonly errorCode?: ErrorCode
}

/** A peer's registration: how to end it, and whether the resource has changed while its state is being read. */
interface Registration {
  end: (() => void) | undefined
  reading: boolean
  changed: boolean
}

const maxUnauthorized = 10
const unauthorizedWindow = seconds(60)

export class HandledRequests<Identity> {
  readonly #context: ServiceContext<Identity>
  readonly #admit: Admit<Identity> | undefined
  readonly #registrations = new Map<Observed<Identity>, Registration>()
  #refusing = false

  constructor(context: ServiceContext<Identity>, admit: Admit<Identity> | undefined) {
    this.#context = context
    this.#admit = admit
  }

  /** The endpoint has a request: it gets an answer, at once where its handler is not asynchronous. */
  serve(incoming: Incoming<Identity>): void {
    const request = new ServedRequest(incoming)
    const startedAt = monotonicClock.now()
    const { observation } = incoming
    const answered = (answer: Answer) => {
      this.#answer(incoming, request, startedAt, answer)
      if (observation !== undefined) this.#readAgain(observation)
    }
    const admitted = () => {
      // The gate may have taken its time: nobody would end what is begun for a peer that has gone meanwhile.
      if (observation !== undefined && observation.state !== 'ended') this.#register(observation, request)
    }
    this.#run(incoming, request, admitted, answered)
  }

  /** A registration that another process has had: its peer is told the present state. */
  resume(observation: Observed<Identity>): void {
    try {
      this.#register(observation, new ServedRequest(observation.request))
    } catch (error) {
      const { peer } = observation.association
      this.#context.observer?.requestFailed?.({ association: peer.association, correlationId: randomUUID(), error })
      this.#context.endpoint.endObservation(observation, monotonicClock.now())
      return
    }
    const registration = this.#registrations.get(observation)
    if (registration === undefined) return
    registration.changed = true
    this.#readAgain(observation)
  }

  /** The endpoint says that a registration is over. */
  observationEnded(observation: Observed<Identity>): void {
    const { peer } = observation.association
    this.#context.changed(peer.association)
    const registration = this.#registrations.get(observation)
    this.#registrations.delete(observation)
    this.#context.guarded(peer, () => registration?.end?.())
  }

  /** From now on: 5.03. */
  refuse(): void {
    this.#refusing = true
  }

  /** Nobody is told. */
  forget(): void {
    this.#registrations.clear()
  }

  /** Tells the resource of an observer before its state is first read, so that no change in between is missed. */
  #register(observation: Observed<Identity>, request: ServedRequest<Identity>): void {
    this.#context.changed(observation.association.peer.association)
    const registration: Registration = { end: undefined, reading: true, changed: false }
    this.#registrations.set(observation, registration)
    registration.end = observation.request.resource.declared.observe?.(request, () => {
      registration.changed = true
      if (!registration.reading) this.#readAgain(observation)
    })
  }

  /** Gate, then handler; at once where they are not asynchronous. Always gives an answer. */
  #run(
    incoming: Incoming<Identity>,
    request: ServedRequest<Identity>,
    admitted: () => void,
    done: (answer: Answer) => void,
  ): void {
    const failed = (error: unknown) => done(this.#problem(request, error))
    const handle = () => {
      admitted()
      const handler = incoming.resource.declared.handlers[incoming.method]
      if (handler === undefined) throw new CodedError('method-not-allowed', incoming.method)
      return handler(request)
    }
    let outcome: CoapResponse | Promise<CoapResponse>
    try {
      if (this.#refusing) throw new CodedError('shutting-down', 'the service is stopping')
      const admission = this.#admit?.(request)
      outcome = admission instanceof Promise ? admission.then(handle) : handle()
    } catch (error) {
      return failed(error)
    }
    if (outcome instanceof Promise) outcome.then((response) => done({ response }), failed)
    else done({ response: outcome })
  }

  #answer(incoming: Incoming<Identity>, request: ServedRequest<Identity>, startedAt: Instant, answer: Answer): void {
    const now = monotonicClock.now()
    const { peer } = incoming.association
    let { response, errorCode } = answer
    try {
      this.#context.endpoint.respond(incoming, response, now)
    } catch (cause) {
      // What the handler gave has no encoding: that is no fault of the peer, whatever the code.
      if (incoming.observation !== undefined) this.#context.endpoint.endObservation(incoming.observation, now)
      ;({ response, errorCode } = this.#problem(request, new Error('a response without encoding', { cause })))
      this.#context.endpoint.respond(incoming, response, now)
    }
    this.#context.observer?.requestServed?.({
      association: peer.association,
      method: incoming.method,
      path: incoming.resource.declared.path,
      code: response.code,
      duration: between(startedAt, now),
      correlationId: request.correlationId,
      ...(errorCode === undefined ? {} : { errorCode }),
    })
    if (response.code === '4.01') this.#countUnauthorized(peer, now)
    this.#context.drain()
  }

  /** Reads the state of an observed resource and sends it; changes that come meanwhile are read once more, together. */
  #readAgain(observation: Observed<Identity>): void {
    const registration = this.#registrations.get(observation)
    if (registration === undefined) return
    registration.reading = false
    if (!registration.changed) return
    registration.changed = false
    registration.reading = true
    const request = new ServedRequest(observation.request)
    const nothing = () => undefined
    this.#run(observation.request, request, nothing, ({ response }) => {
      try {
        this.#context.endpoint.notify(observation, response, monotonicClock.now())
      } catch (cause) {
        const problem = this.#problem(request, new Error('a notification without encoding', { cause }))
        this.#context.endpoint.notify(observation, problem.response, monotonicClock.now())
      }
      this.#context.drain()
      this.#readAgain(observation)
    })
  }

  /** Tells of a fault of ours, and gives what the peer gets. */
  #problem(request: ServedRequest<Identity>, error: unknown): Problem {
    const { association, correlationId } = request
    if (!isCodedError(error) || error.blame === 'us') {
      this.#context.observer?.requestFailed?.({ association, correlationId, error })
    }
    return problemOf(error, correlationId)
  }

  #countUnauthorized(peer: Peer<Identity>, now: Instant): void {
    if (peer.unauthorized === 0 || now - peer.unauthorizedSince > unauthorizedWindow) {
      peer.unauthorized = 0
      peer.unauthorizedSince = now
    }
    if (++peer.unauthorized === maxUnauthorized) this.#context.unwelcome(peer)
  }
}
