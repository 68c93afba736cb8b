/** Requests, observations and pings of ours, and who waits for what comes of them. */

import type { Duration } from '@sallyport/clock'
import { seconds } from '@sallyport/clock'
import type { Ping, ReceivedResponse } from '@sallyport/coap'
import { CodedError, type ErrorCode } from '@sallyport/errors'
import type { Association } from './association.ts'
import type { ClientObservation, ClientRequest, ClientResponse } from './client-request.ts'
import type { Outgoing, Peer } from './coap-peer.ts'
import { monotonicClock } from './dtls-socket.ts'
import type { ServedResource } from './served-resource.ts'
import type { ServiceContext } from './service-context.ts'

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

type Asked<Identity> = Ping<Peer<Identity>, ServedResource<Identity>>

const defaultTimeout = seconds(10)
const defaultMaxResponseBytes = 262_144

export class ClientCalls<Identity> {
  readonly #context: ServiceContext<Identity>
  readonly #calls = new Map<Outgoing<Identity>, PendingCall>()
  readonly #subscriptions = new Map<Outgoing<Identity>, Subscription>()
  readonly #pings = new Map<Asked<Identity>, (answered: boolean) => void>()

  constructor(context: ServiceContext<Identity>) {
    this.#context = context
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
        this.#context.changed(association)
        this.#context.endpoint.cancel(outgoing, monotonicClock.now())
        this.#context.drain()
      },
    }
  }

  ping(association: Association<Identity>, timeout: Duration): Promise<boolean> {
    return new Promise((resolve) => {
      if (association.closed) return resolve(false)
      const ping = this.#context.endpoint.ping(this.#context.peerOf(association).coap, timeout, monotonicClock.now())
      this.#pings.set(ping, resolve)
      this.#context.drain()
    })
  }

  /** What becomes of an observation that another process has begun is for its new owner to follow. */
  imported(outgoing: Outgoing<Identity>): ImportedObservation {
    return {
      path: outgoing.message.path,
      query: outgoing.message.query ?? [],
      follow: (onNotification, onEnded) => {
        this.#subscriptions.set(outgoing, { onNotification, onEnded })
      },
      cancel: () => {
        this.#subscriptions.delete(outgoing)
        this.#context.endpoint.cancel(outgoing, monotonicClock.now())
        this.#context.drain()
      },
    }
  }

  /** From here on: what the endpoint says. */
  answered(outgoing: Outgoing<Identity>, response: ReceivedResponse, observed: boolean): void {
    this.#calls.get(outgoing)?.resolve({ response, observed })
    this.#calls.delete(outgoing)
  }

  failed(outgoing: Outgoing<Identity>, code: ErrorCode, detail: string): void {
    this.#calls.get(outgoing)?.reject(new CodedError(code, detail))
    this.#calls.delete(outgoing)
  }

  notified(outgoing: Outgoing<Identity>, response: ReceivedResponse): void {
    const subscription = this.#subscriptions.get(outgoing)
    this.#context.guarded(outgoing.association.peer, () => subscription?.onNotification(response))
  }

  subscriptionEnded(outgoing: Outgoing<Identity>, reason: string): void {
    const { peer } = outgoing.association
    this.#context.changed(peer.association)
    const subscription = this.#subscriptions.get(outgoing)
    this.#subscriptions.delete(outgoing)
    this.#context.guarded(peer, () => subscription?.onEnded(reason))
  }

  ponged(asked: Asked<Identity>, answered: boolean): void {
    this.#pings.get(asked)?.(answered)
    this.#pings.delete(asked)
  }

  #call(
    association: Association<Identity>,
    request: ClientRequest,
    subscription: Subscription | undefined,
  ): Promise<{ outgoing: Outgoing<Identity>; response: ClientResponse; observed: boolean }> {
    return new Promise((resolve, reject) => {
      if (association.closed) throw new CodedError('association-closed', 'the association is closed')
      const { timeout = defaultTimeout, maxResponseBytes = defaultMaxResponseBytes, ...rest } = request
      const outgoing = this.#context.endpoint.request(
        this.#context.peerOf(association).coap,
        { ...rest, timeout, maxResponseBytes, observe: subscription !== undefined },
        monotonicClock.now(),
      )
      this.#calls.set(outgoing, {
        resolve: ({ response, observed }) => {
          if (observed && subscription !== undefined) {
            this.#subscriptions.set(outgoing, subscription)
            this.#context.changed(association)
          }
          resolve({ outgoing, response, observed })
        },
        reject,
      })
      this.#context.drain()
    })
  }
}
