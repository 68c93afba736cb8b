/**
 * Block2, server side: bodies that a peer fetches block by block (RFC 7959 section 2.4).
 *
 * A body is kept so that its handler runs once: the answer to a POST must not be computed again, and all blocks of a GET
 * come from one state. It goes when it has been idle for a while, when the association has too many, or when all have.
 */

import type { Instant } from '@sallyport/clock'
import { later } from '@sallyport/clock'
import type { CoapAssociation } from './coap-association.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { OutgoingResponse, ResourceTraits } from './exchange.ts'

export interface ServedBody<Peer, Resource extends ResourceTraits> {
  readonly kind: 'served-body'
  readonly association: CoapAssociation<Peer, Resource>
  readonly key: string
  readonly response: OutgoingResponse
  readonly length: number
}

export class ServedBodies<Peer, Resource extends ResourceTraits> {
  readonly #context: EndpointContext<Peer, Resource>
  #bytes = 0

  constructor(context: EndpointContext<Peer, Resource>) {
    this.#context = context
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Keeps a body for the blocks that will be asked for; without room, it is not kept. */
  keep(association: CoapAssociation<Peer, Resource>, key: string, response: OutgoingResponse, now: Instant): void {
    const length = response.payload?.length ?? 0
    association.servedBodies ??= new Map()
    this.drop(association.servedBodies.get(key))
    for (const oldest of association.servedBodies.values()) {
      if (association.servedBodies.size < this.#context.limits.servedBodies) break
      this.drop(oldest)
    }
    if (this.#bytes + length > this.#context.limits.servedBodyBytes) return
    const body: ServedBody<Peer, Resource> = { kind: 'served-body', association, key, response, length }
    this.#bytes += length
    association.servedBodies.set(key, body)
    this.#context.timers.set(body, later(now, this.#context.limits.transferLifetime))
  }

  find(association: CoapAssociation<Peer, Resource>, key: string, now: Instant): OutgoingResponse | undefined {
    const body = association.servedBodies?.get(key)
    if (body === undefined) return undefined
    association.servedBodies?.delete(key)
    association.servedBodies?.set(key, body)
    this.#context.timers.set(body, later(now, this.#context.limits.transferLifetime))
    return body.response
  }

  drop(body: ServedBody<Peer, Resource> | undefined): void {
    if (body === undefined || body.association.servedBodies?.get(body.key) !== body) return
    body.association.servedBodies.delete(body.key)
    this.#context.timers.cancel(body)
    this.#bytes -= body.length
  }
}
