/**
 * Runs the CoAP endpoint over associations: gives it time and random bytes, and carries out its outputs.
 *
 * It owns no socket. Server and client feed it what their associations deliver. What it adds to the protocol is in its two
 * halves: requests of peers go to their handlers (`handled-requests.ts`), those of ours wait for what comes of them
 * (`client-calls.ts`).
 */

import { randomBytes, randomUUID } from 'node:crypto'
import type { Duration } from '@sallyport/clock'
import { seconds } from '@sallyport/clock'
import type { CoapStateRefusal, Output, RequestQuota } from '@sallyport/coap'
import { blockSizeWithin, CoapEndpoint } from '@sallyport/coap'
import { CodedError } from '@sallyport/errors'
import type { Association, AssociationCloseReason } from './association.ts'
import { ClientCalls, type ImportedObservation } from './client-calls.ts'
import { Peer } from './coap-peer.ts'
import type { CoapResource } from './coap-resource.ts'
import type { CoapsObserver } from './coaps-observer.ts'
import { monotonicClock } from './dtls-socket.ts'
import { type Admit, HandledRequests } from './handled-requests.ts'
import type { ServedResource } from './served-resource.ts'
import { routerOf } from './served-resource.ts'
import type { ServiceContext } from './service-context.ts'

export interface CoapServiceOptions<Identity> {
  readonly resources: readonly CoapResource<Identity>[]
  readonly admit?: Admit<Identity> | undefined
  readonly observer?: CoapsObserver<Identity> | undefined
  /** UDP payload bytes. */
  readonly mtu: number
  /** What one association may send; more gets 4.29 with Max-Age (RFC 8516). Default: no quota. */
  readonly requestQuota?: RequestQuota | undefined
}

/** Bytes that a DTLS record and the header and options of a message take beside a block. */
const overheadBytes = 37 + 80

export const defaultMtu = 1200

export class CoapService<Identity> {
  /** What this side asks of its peers. */
  readonly calls: ClientCalls<Identity>
  readonly #options: CoapServiceOptions<Identity>
  readonly #endpoint: CoapEndpoint<Peer<Identity>, ServedResource<Identity>>
  readonly #peers = new Map<Association<Identity>, Peer<Identity>>()
  readonly #handled: HandledRequests<Identity>
  /** Peers to close once what they are owed has been sent. */
  readonly #unwelcome: Peer<Identity>[] = []
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #draining = false
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
    const { observer } = options
    const context: ServiceContext<Identity> = {
      endpoint: this.#endpoint,
      observer,
      peerOf: (association) => this.#peerOf(association),
      drain: () => this.#drain(),
      guarded(peer, call) {
        try {
          call()
        } catch (error) {
          observer?.requestFailed?.({ association: peer.association, correlationId: randomUUID(), error })
        }
      },
      changed(association) {
        if (!association.closed) observer?.associationChanged?.(association)
      },
      unwelcome: (peer) => this.#unwelcome.push(peer),
    }
    this.#handled = new HandledRequests(context, options.admit)
    this.calls = new ClientCalls(context)
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
    const now = monotonicClock.now()
    this.#endpoint.handleMessage(this.#peerOf(association).coap, plaintext, now, recordSequence)
    this.#drain()
  }

  /** What the association holds of CoAP. @param final nothing of it is handled any more */
  exportAssociation(association: Association<Identity>, final: boolean): Uint8Array | undefined {
    const peer = this.#peers.get(association)
    return peer === undefined ? undefined : this.#endpoint.exportAssociation(peer.coap, final, monotonicClock.now())
  }

  /** In place of `opened`, for one that another process has had. Observers of our resources are told the present state. */
  importAssociation(
    association: Association<Identity>,
    state: Uint8Array,
    isNext: boolean,
  ): readonly ImportedObservation[] | CoapStateRefusal {
    const resumed = this.#endpoint.importAssociation(
      this.#peerOf(association).coap,
      state,
      isNext,
      monotonicClock.now(),
    )
    if (typeof resumed === 'string') return resumed
    for (const observation of resumed.observations) this.#handled.resume(observation)
    this.#drain()
    return resumed.subscriptions.map((outgoing) => this.calls.imported(outgoing))
  }

  closed(association: Association<Identity>, reason: AssociationCloseReason): void {
    const peer = this.#peers.get(association)
    if (peer !== undefined) {
      this.#peers.delete(association)
      this.#endpoint.dissociate(peer.coap, monotonicClock.now())
      peer.abort?.abort(new CodedError('association-closed', 'the association is closed'))
      this.#drain()
    }
    this.#options.observer?.associationClosed?.(association, reason)
  }

  /** Refuses new requests with 5.03 and resolves when those in flight are answered, or after `patience`. */
  async stop(patience: Duration): Promise<void> {
    this.#handled.refuse()
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
    this.#handled.forget()
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
    const peer = new Peer(association, this.#endpoint, monotonicClock.now())
    this.#peers.set(association, peer)
    return peer
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
        return this.#handled.serve(output.request)
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
        return this.calls.answered(output.request, output.response, output.observed)
      case 'request-failed':
        return this.calls.failed(output.request, output.code, output.detail)
      case 'notification':
        return this.calls.notified(output.request, output.response)
      case 'subscription-ended':
        return this.calls.subscriptionEnded(output.request, output.reason)
      case 'observation-ended':
        return this.#handled.observationEnded(output.observation)
      case 'pong':
        return this.calls.ponged(output.ping, output.answered)
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

  #setTimer(): void {
    const next = this.#endpoint.nextTimeout
    // A timer that comes too early does no harm, so it is moved only when it would come too late.
    if (next === undefined || next >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = next
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY
        this.#endpoint.handleTimeout(monotonicClock.now())
        this.#drain()
      },
      Math.max(1, Math.ceil(next - monotonicClock.now())),
    )
  }
}
