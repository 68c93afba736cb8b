/** What a handler sees of a request. Correlation id, query pairs and signal are made when they are first asked for. */

import { randomUUID } from 'node:crypto'
import type { BodyPart, Conditions } from '@sallyport/coap'
import type { Association } from './association.ts'
import type { Incoming } from './coap-peer.ts'
import type { CoapRequest } from './coap-resource.ts'

export class ServedRequest<Identity> implements CoapRequest<Identity> {
  readonly #incoming: Incoming<Identity>
  #correlationId: string | undefined

  constructor(incoming: Incoming<Identity>) {
    this.#incoming = incoming
  }

  get correlationId(): string {
    this.#correlationId ??= randomUUID()
    return this.#correlationId
  }
  get association(): Association<Identity> {
    return this.#incoming.association.peer.association
  }
  get method(): CoapRequest<Identity>['method'] {
    return this.#incoming.method
  }
  get path(): string {
    return this.#incoming.path
  }
  get parameters(): Readonly<Record<string, string>> {
    return this.#incoming.parameters
  }
  get query(): CoapRequest<Identity>['query'] {
    return this.#incoming.query.map((text) => {
      const at = text.indexOf('=')
      return at === -1 ? { name: text, value: '' } : { name: text.slice(0, at), value: text.slice(at + 1) }
    })
  }
  get contentFormat(): number | undefined {
    return this.#incoming.contentFormat
  }
  get accept(): number | undefined {
    return this.#incoming.accept
  }
  get conditions(): Conditions | undefined {
    return this.#incoming.conditions
  }
  get payload(): Uint8Array {
    return this.#incoming.payload
  }
  get part(): BodyPart | undefined {
    return this.#incoming.part
  }
  get range(): { readonly offset: number; readonly length: number } {
    return this.#incoming.range
  }
  get token(): Uint8Array {
    return this.#incoming.wire.token
  }
  get recordSequence(): number | undefined {
    return this.#incoming.recordSequence
  }
  get signal(): AbortSignal {
    const { peer } = this.#incoming.association
    peer.abort ??= new AbortController()
    if (this.#incoming.association.closed) peer.abort.abort()
    return peer.abort.signal
  }
}
