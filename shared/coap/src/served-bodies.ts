/**
 * Block2, server side: bodies that a peer fetches block by block (RFC 7959 section 2.4).
 *
 * A body is kept so that its handler runs once: the answer to a POST must not be computed again, and all blocks of a GET
 * come from one state. It goes when it has been idle for a while, when the association has too many, or when all have.
 *
 * A body belongs to one request, not to a resource: two POSTs under way at once have two answers. Request-Tag tells them
 * apart (RFC 9175 section 3.3). For a peer that sends none, its token does where it is the same in all messages, or its
 * payload where that is repeated; else the newest body is the one that is meant.
 */

import { createHash } from 'node:crypto'
import type { Instant } from '@sallyport/clock'
import { later } from '@sallyport/clock'
import type { CoapAssociation } from './coap-association.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { IncomingRequest, OutgoingResponse, ResourceTraits } from './exchange.ts'
import { tokenKeyOf } from './token.ts'

export interface ServedBody<Peer, Resource extends ResourceTraits> {
  readonly kind: 'served-body'
  readonly association: CoapAssociation<Peer, Resource>
  /** Of the request that was answered: block-wise operation, token, and a hash of its payload. */
  readonly operation: string
  readonly tokenKey: string
  readonly requestHash: string
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
  keep(request: IncomingRequest<Peer, Resource>, response: OutgoingResponse, now: Instant): void {
    const { association, wire } = request
    const length = response.payload?.length ?? 0
    const tokenKey = tokenKeyOf(wire.token)
    association.servedBodies ??= new Set()
    const bodies = association.servedBodies
    for (const body of bodies) {
      if (body.operation !== wire.operation) continue
      // Every GET of a resource has the same answer, so that one body serves them all.
      if (request.method === 'GET' || body.tokenKey === tokenKey) this.drop(body)
    }
    const { limits } = this.#context
    for (const oldest of bodies) {
      if (bodies.size < limits.servedBodies && bytesOf(bodies) + length <= limits.associationServedBytes) break
      this.drop(oldest)
    }
    if (this.#bytes + length > limits.servedBodyBytes) return
    const body: ServedBody<Peer, Resource> = {
      kind: 'served-body',
      association,
      operation: wire.operation,
      tokenKey,
      requestHash: hashOf(request.payload),
      response,
      length,
    }
    this.#bytes += length
    bodies.add(body)
    this.#context.timers.set(body, later(now, this.#context.limits.transferLifetime))
  }

  /** The body of which a later block is asked for. */
  find(request: IncomingRequest<Peer, Resource>, now: Instant): OutgoingResponse | undefined {
    const { servedBodies } = request.association
    const body = this.#meant(request)
    if (servedBodies === undefined || body === undefined) return undefined
    servedBodies.delete(body)
    servedBodies.add(body)
    this.#context.timers.set(body, later(now, this.#context.limits.transferLifetime))
    return body.response
  }

  drop(body: ServedBody<Peer, Resource>): void {
    if (body.association.servedBodies?.delete(body) !== true) return
    this.#context.timers.cancel(body)
    this.#bytes -= body.length
  }

  #meant(request: IncomingRequest<Peer, Resource>): ServedBody<Peer, Resource> | undefined {
    const { association, wire, payload } = request
    const tokenKey = tokenKeyOf(wire.token)
    const requestHash = hashOf(payload)
    let newest: ServedBody<Peer, Resource> | undefined
    for (const body of association.servedBodies ?? []) {
      if (body.operation !== wire.operation) continue
      if (requestHash !== '' && body.requestHash !== requestHash) continue
      if (body.tokenKey === tokenKey) return body
      newest = body
    }
    return newest
  }
}

function bytesOf(bodies: Iterable<{ readonly length: number }>): number {
  let bytes = 0
  for (const { length } of bodies) bytes += length
  return bytes
}

const hashOf = (payload: Uint8Array): string =>
  payload.length === 0 ? '' : createHash('sha256').update(payload).digest('base64')
