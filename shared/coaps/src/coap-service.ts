/**
 * Runs the CoAP endpoint over associations: gives it time and random bytes, carries out its outputs, calls handlers.
 *
 * It owns no socket. Server and client feed it what their associations deliver. What it adds to the protocol: a correlation
 * id for each request, errors as problem details (RFC 9290), the gate before handlers, and the end of an association that
 * keeps asking for what it may not (ten 4.01 within a minute).
 */

import { randomBytes, randomUUID } from 'node:crypto'
import type { Duration, Instant } from '@sallyport/clock'
import { between, seconds } from '@sallyport/clock'
import type { CoapStateRefusal, OutgoingResponse, Output, Ping, ReceivedResponse, RequestQuota } from '@sallyport/coap'
import { blockSizeWithin, CoapEndpoint } from '@sallyport/coap'
import type { ErrorCode } from '@sallyport/errors'
import { CodedError, isCodedError } from '@sallyport/errors'
import type { Association, AssociationCloseReason } from './association.ts'
import type { ClientObservation, ClientRequest, ClientResponse } from './client-request.ts'
import type { Incoming, Observed, Outgoing } from './coap-peer.ts'
import { Peer } from './coap-peer.ts'
import type { CoapRequest, CoapResource, CoapResponse } from './coap-resource.ts'
import type { CoapsObserver } from './coaps-observer.ts'
import { monotonicClock } from './dtls-socket.ts'
import type { Problem } from './problem-response.ts'
import { problemOf } from './problem-response.ts'
import { ServedRequest } from './served-request.ts'
import type { ServedResource } from './served-resource.ts'
import { routerOf } from './served-resource.ts'

export interface CoapServiceOptions<Identity> {
  readonly resources: readonly CoapResource<Identity>[]
  readonly admit?: ((request: CoapRequest<Identity>) => void | Promise<void>) | undefined
  readonly observer?: CoapsObserver<Identity> | undefined
  /** UDP payload bytes. */
  readonly mtu: number
  /** What one association may send; more gets 4.29 with Max-Age (RFC 8516). Default: no quota. */
  readonly requestQuota?: RequestQuota | undefined
}

/** An observation of ours that another process has begun. */
export interface ImportedObservation {
  readonly path: string
  readonly query: readonly string[]
  /** To be called at once: what comes before is dropped. */
  follow(onNotification: (response: ClientResponse) => void, onEnded: (reason: string) => void): void
  /** Ends it; the peer is told. */
  cancel(): void
}

interface PendingCall {
  readonly resolve: (outcome: { readonly response: ClientResponse; readonly observed: boolean }) => void
  readonly reject: (error: CodedError) => void
}

interface Subscription {
  readonly onNotification: (response: ClientResponse) => void
  readonly onEnded: (reason: string) => void
}

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
const defaultTimeout = seconds(10)
const defaultMaxResponseBytes = 262_144
/** Bytes that a DTLS record and the header and options of a message take beside a block. */
const overheadBytes = 37 + 80

export const defaultMtu = 1200

export class CoapService<Identity> {
  readonly #options: CoapServiceOptions<Identity>
  readonly #endpoint: CoapEndpoint<Peer<Identity>, ServedResource<Identity>>
  readonly #peers = new Map<Association<Identity>, Peer<Identity>>()
  readonly #calls = new Map<Outgoing<Identity>, PendingCall>()
  readonly #subscriptions = new Map<Outgoing<Identity>, Subscription>()
  readonly #registrations = new Map<Observed<Identity>, Registration>()
  readonly #pings = new Map<Ping<Peer<Identity>, ServedResource<Identity>>, (answered: boolean) => void>()
  /** Peers to close once what they are owed has been sent. */
  readonly #unwelcome: Peer<Identity>[] = []
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #draining = false
  #stopping = false
  #idle: (() => void) | undefined

  constructor(options: CoapServiceOptions<Identity>) {
    this.#options = options
    this.#endpoint = new CoapEndpoint({
      resources: routerOf(options.resources),
      randomBytes: (count) => randomBytes(count),
      limits: {
        maxBlockBytes: blockSizeWithin(options.mtu - overheadBytes),
        requestQuota: options.requestQuota,
      },
    })
  }

  get counts(): { readonly exchanges: number; readonly observations: number } {
    const { openRequests, observations } = this.#endpoint.counts
    return { exchanges: openRequests, observations }
  }

  opened(association: Association<Identity>): void {
    this.#peerOf(association)
    this.#options.observer?.associationOpened?.(association)
    // Over TLS our first message waits to be sent.
    this.#drain()
  }

  /**
   * @param plaintext read during the call only
   * @param recordSequence of the record that brought it; absent where records have no numbers
   */
  data(association: Association<Identity>, plaintext: Uint8Array, recordSequence?: number): void {
    const now = this.#now()
    this.#endpoint.handleMessage(this.#peerOf(association).coap, plaintext, now, recordSequence)
    this.#drain()
  }

  /** What the association holds of CoAP. @param final nothing of it is handled any more */
  exportAssociation(association: Association<Identity>, final: boolean): Uint8Array | undefined {
    const peer = this.#peers.get(association)
    return peer === undefined ? undefined : this.#endpoint.exportAssociation(peer.coap, final, this.#now())
  }

  /** In place of `opened`, for one that another process has had. Observers of our resources are told the present state. */
  importAssociation(
    association: Association<Identity>,
    state: Uint8Array,
    isNext: boolean,
  ): readonly ImportedObservation[] | CoapStateRefusal {
    const resumed = this.#endpoint.importAssociation(this.#peerOf(association).coap, state, isNext, this.#now())
    if (typeof resumed === 'string') return resumed
    for (const observation of resumed.observations) this.#resume(observation)
    this.#drain()
    return resumed.subscriptions.map((outgoing) => ({
      path: outgoing.message.path,
      query: outgoing.message.query ?? [],
      follow: (onNotification, onEnded) => {
        this.#subscriptions.set(outgoing, { onNotification, onEnded })
      },
      cancel: () => {
        this.#subscriptions.delete(outgoing)
        this.#endpoint.cancel(outgoing, this.#now())
        this.#drain()
      },
    }))
  }

  #resume(observation: Observed<Identity>): void {
    try {
      this.#register(observation, new ServedRequest(observation.request))
    } catch (error) {
      const { peer } = observation.association
      this.#options.observer?.requestFailed?.({ association: peer.association, correlationId: randomUUID(), error })
      this.#endpoint.endObservation(observation, this.#now())
      return
    }
    const registration = this.#registrations.get(observation)
    if (registration === undefined) return
    registration.changed = true
    this.#readAgain(observation)
  }

  closed(association: Association<Identity>, reason: AssociationCloseReason): void {
    const peer = this.#peers.get(association)
    if (peer !== undefined) {
      this.#peers.delete(association)
      this.#endpoint.dissociate(peer.coap, this.#now())
      peer.abort?.abort(new CodedError('association-closed', 'the association is closed'))
      this.#drain()
    }
    this.#options.observer?.associationClosed?.(association, reason)
  }

  async request(association: Association<Identity>, request: ClientRequest): Promise<ClientResponse> {
    const { response } = await this.#call(association, request, undefined)
    return response
  }

  async observe(
    association: Association<Identity>,
    request: ClientRequest,
    onNotification: (response: ClientResponse) => void,
    onEnded: (reason: string) => void,
  ): Promise<ClientObservation> {
    const { outgoing, response, observed } = await this.#call(association, request, { onNotification, onEnded })
    return {
      first: response,
      observed,
      cancel: () => {
        if (!this.#subscriptions.delete(outgoing)) return
        this.#changed(association)
        this.#endpoint.cancel(outgoing, this.#now())
        this.#drain()
      },
    }
  }

  ping(association: Association<Identity>, timeout: Duration): Promise<boolean> {
    return new Promise((resolve) => {
      if (association.closed) return resolve(false)
      const ping = this.#endpoint.ping(this.#peerOf(association).coap, timeout, this.#now())
      this.#pings.set(ping, resolve)
      this.#drain()
    })
  }

  /** Refuses new requests with 5.03 and resolves when those in flight are answered, or after `patience`. */
  async stop(patience: Duration): Promise<void> {
    this.#stopping = true
    await this.finish(patience)
  }

  /** Resolves when the requests in flight are answered, or after `patience`; for when no new ones come. */
  async finish(patience: Duration): Promise<void> {
    if (this.#endpoint.counts.openRequests === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patience)
      this.#idle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Does nothing any more; nobody is told. */
  forget(): void {
    this.#peers.clear()
    this.#registrations.clear()
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAt = Number.NEGATIVE_INFINITY
  }

  /** Tells peers over TLS that we leave; others learn it by close_notify. To be called before the associations are closed. */
  release(): void {
    for (const { coap } of this.#peers.values()) this.#endpoint.release(coap)
    this.#drain()
  }

  /** Ends everything that is left. To be called when the associations are closed. */
  end(): void {
    for (const association of [...this.#peers.keys()]) this.closed(association, 'local')
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  #peerOf(association: Association<Identity>): Peer<Identity> {
    const known = this.#peers.get(association)
    if (known !== undefined) return known
    const peer = new Peer(association, this.#endpoint, this.#now())
    this.#peers.set(association, peer)
    return peer
  }

  #call(
    association: Association<Identity>,
    request: ClientRequest,
    subscription: Subscription | undefined,
  ): Promise<{ outgoing: Outgoing<Identity>; response: ClientResponse; observed: boolean }> {
    return new Promise((resolve, reject) => {
      if (association.closed) throw new CodedError('association-closed', 'the association is closed')
      const { timeout = defaultTimeout, maxResponseBytes = defaultMaxResponseBytes, ...rest } = request
      const outgoing = this.#endpoint.request(
        this.#peerOf(association).coap,
        { ...rest, timeout, maxResponseBytes, observe: subscription !== undefined },
        this.#now(),
      )
      this.#calls.set(outgoing, {
        resolve: ({ response, observed }) => {
          if (observed && subscription !== undefined) {
            this.#subscriptions.set(outgoing, subscription)
            this.#changed(association)
          }
          resolve({ outgoing, response, observed })
        },
        reject,
      })
      this.#drain()
    })
  }

  /** Carries out what the endpoint wants. A handler that answers at once comes back here while outputs are being drained. */
  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    try {
      for (let output = this.#endpoint.nextOutput(); output !== undefined; output = this.#endpoint.nextOutput()) {
        this.#carryOut(output)
      }
    } finally {
      this.#draining = false
    }
    // After the last answer has been sent.
    for (const peer of this.#unwelcome.splice(0)) peer.association.close()
    this.#setTimer()
    if (this.#idle !== undefined && this.#endpoint.counts.openRequests === 0) this.#idle()
  }

  #carryOut(output: Output<Peer<Identity>, ServedResource<Identity>>): void {
    const { observer } = this.#options
    switch (output.kind) {
      case 'send':
        return output.peer.association.send(output.message)
      case 'request':
        return this.#serve(output.request)
      case 'refused': {
        const { association } = output.peer
        observer?.requestServed?.({
          association,
          method: output.method ?? '-',
          path: output.resource?.declared.path ?? '-',
          code: output.code,
          duration: seconds(0),
          correlationId: randomUUID(),
          errorCode: output.errorCode,
        })
        return
      }
      case 'response':
        this.#calls.get(output.request)?.resolve({ response: output.response, observed: output.observed })
        this.#calls.delete(output.request)
        return
      case 'request-failed':
        this.#calls.get(output.request)?.reject(new CodedError(output.code, output.detail))
        this.#calls.delete(output.request)
        return
      case 'notification':
        return this.#notified(output.request, output.response)
      case 'subscription-ended': {
        this.#changed(output.request.association.peer.association)
        const subscription = this.#subscriptions.get(output.request)
        this.#subscriptions.delete(output.request)
        return this.#guarded(output.request.association.peer, () => subscription?.onEnded(output.reason))
      }
      case 'observation-ended': {
        this.#changed(output.observation.association.peer.association)
        const registration = this.#registrations.get(output.observation)
        this.#registrations.delete(output.observation)
        return this.#guarded(output.observation.association.peer, () => registration?.end?.())
      }
      case 'pong':
        this.#pings.get(output.ping)?.(output.answered)
        this.#pings.delete(output.ping)
        return
      case 'pinged':
        return observer?.pinged?.(output.peer.association)
      case 'disconnect':
        this.#unwelcome.push(output.peer)
        if (output.reason !== 'released') observer?.discarded?.(output.reason)
        return
      case 'discarded':
        return observer?.discarded?.(output.reason)
    }
  }

  #notified(request: Outgoing<Identity>, response: ReceivedResponse): void {
    const subscription = this.#subscriptions.get(request)
    this.#guarded(request.association.peer, () => subscription?.onNotification(response))
  }

  /** Calls what is not ours: its fault is told, and the endpoint goes on. */
  #guarded(peer: Peer<Identity>, call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#options.observer?.requestFailed?.({ association: peer.association, correlationId: randomUUID(), error })
    }
  }

  #serve(incoming: Incoming<Identity>): void {
    const request = new ServedRequest(incoming)
    const startedAt = this.#now()
    const { observation } = incoming
    const answered = (answer: Answer) => {
      this.#answer(incoming, request, startedAt, answer)
      if (observation !== undefined) this.#readAgain(observation)
    }
    const admitted = () => {
      if (observation !== undefined) this.#register(observation, request)
    }
    this.#run(incoming, request, admitted, answered)
  }

  /** Tells the resource of an observer before its state is first read, so that no change in between is missed. */
  #register(observation: Observed<Identity>, request: ServedRequest<Identity>): void {
    this.#changed(observation.association.peer.association)
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
      if (this.#stopping) throw new CodedError('shutting-down', 'the service is stopping')
      const admission = this.#options.admit?.(request)
      outcome = admission instanceof Promise ? admission.then(handle) : handle()
    } catch (error) {
      return failed(error)
    }
    if (outcome instanceof Promise) outcome.then((response) => done({ response }), failed)
    else done({ response: outcome })
  }

  #answer(incoming: Incoming<Identity>, request: ServedRequest<Identity>, startedAt: Instant, answer: Answer): void {
    const now = this.#now()
    const { peer } = incoming.association
    let { response, errorCode } = answer
    try {
      this.#endpoint.respond(incoming, response, now)
    } catch (cause) {
      // What the handler gave has no encoding: that is no fault of the peer, whatever the code.
      if (incoming.observation !== undefined) this.#endpoint.endObservation(incoming.observation, now)
      ;({ response, errorCode } = this.#problem(request, new Error('a response without encoding', { cause })))
      this.#endpoint.respond(incoming, response, now)
    }
    this.#options.observer?.requestServed?.({
      association: peer.association,
      method: incoming.method,
      path: incoming.resource.declared.path,
      code: response.code,
      duration: between(startedAt, now),
      correlationId: request.correlationId,
      ...(errorCode === undefined ? {} : { errorCode }),
    })
    if (response.code === '4.01') this.#countUnauthorized(peer, now)
    this.#drain()
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
        this.#endpoint.notify(observation, response, this.#now())
      } catch (cause) {
        const problem = this.#problem(request, new Error('a notification without encoding', { cause }))
        this.#endpoint.notify(observation, problem.response, this.#now())
      }
      this.#drain()
      this.#readAgain(observation)
    })
  }

  /** Tells of a fault of ours, and gives what the peer gets. */
  #problem(request: ServedRequest<Identity>, error: unknown): Problem {
    const { association, correlationId } = request
    if (!isCodedError(error) || error.blame === 'us') {
      this.#options.observer?.requestFailed?.({ association, correlationId, error })
    }
    return problemOf(error, correlationId)
  }

  #countUnauthorized(peer: Peer<Identity>, now: Instant): void {
    if (peer.unauthorized === 0 || now - peer.unauthorizedSince > unauthorizedWindow) {
      peer.unauthorized = 0
      peer.unauthorizedSince = now
    }
    if (++peer.unauthorized === maxUnauthorized) this.#unwelcome.push(peer)
  }

  /** What `exportAssociation` gives is another from now on. */
  #changed(association: Association<Identity>): void {
    if (!association.closed) this.#options.observer?.associationChanged?.(association)
  }

  /** Monotonic, and near the time of day: what is exported is read by the clock of another process. */
  #now(): Instant {
    return monotonicClock.now()
  }

  #setTimer(): void {
    const next = this.#endpoint.nextTimeout
    // A timer that comes too early does no harm, so it is moved only when it would come too late.
    if (next === undefined || next >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = next
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY
        this.#endpoint.handleTimeout(this.#now())
        this.#drain()
      },
      Math.max(1, Math.ceil(next - this.#now())),
    )
  }
}
