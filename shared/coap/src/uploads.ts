/**
 * Block1, server side: bodies that come block by block (RFC 7959 section 2.5), one after the other and in order.
 *
 * Bounded three ways: bytes of one body by its resource, unfinished bodies of one association, bytes over all.
 * Memory follows what has come, never what a peer announces.
 */

import type { Instant } from '@sallyport/clock'
import { later } from '@sallyport/clock'
import type { ErrorCode } from '@sallyport/errors'
import type { Block } from './block-option.ts'
import { fitsBlock, offsetOf } from './block-option.ts'
import type { CoapAssociation } from './coap-association.ts'
import type { EndpointContext } from './endpoint-context.ts'
import type { ResourceTraits } from './exchange.ts'
import { noBytes } from './message-codec.ts'

/** An unfinished body. */
export interface Upload<Peer, Resource extends ResourceTraits> {
  readonly kind: 'upload'
  readonly association: CoapAssociation<Peer, Resource>
  readonly key: string
  readonly receives: 'whole' | 'blocks'
  bytes: Uint8Array
  length: number
}

export type UploadStep =
  /** The bytes were taken; the body goes on. */
  | { readonly kind: 'continue' }
  /** The body is whole. It belongs to the caller. */
  | { readonly kind: 'complete'; readonly body: Uint8Array }
  /** For a resource that receives blocks. */
  | { readonly kind: 'part'; readonly offset: number }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly detail: string }

export interface UploadBlock {
  readonly key: string
  readonly block: Block
  /** A view of the datagram. */
  readonly payload: Uint8Array
  /** Size1, where the peer said it. */
  readonly announcedBytes: number | undefined
  readonly maxBytes: number
  readonly receives: 'whole' | 'blocks'
}

const refused = (code: ErrorCode, detail: string): UploadStep => ({ kind: 'refused', code, detail })

export class Uploads<Peer, Resource extends ResourceTraits> {
  readonly #context: EndpointContext<Peer, Resource>
  #bytes = 0

  constructor(context: EndpointContext<Peer, Resource>) {
    this.#context = context
  }

  /** Bytes held for unfinished bodies of all associations. */
  get bytes(): number {
    return this.#bytes
  }

  take(association: CoapAssociation<Peer, Resource>, part: UploadBlock, now: Instant): UploadStep {
    const { block, payload, maxBytes } = part
    const offset = offsetOf(block)
    const known = association.uploads?.get(part.key)
    if (!fitsBlock(block, payload.length)) {
      this.#drop(known)
      return refused('malformed-request', 'a block has another length than it says')
    }
    if (offset + payload.length > maxBytes || (part.announcedBytes ?? 0) > maxBytes) {
      this.#drop(known)
      return refused('request-too-large', `at most ${maxBytes} bytes`)
    }
    if (offset === 0) this.#drop(known)
    else if (known === undefined || known.length !== offset) {
      this.#drop(known)
      return refused('block-sequence-broken', `block ${block.number} does not continue the transfer`)
    }
    const upload = offset === 0 ? undefined : known
    if (!block.more) return this.#finish(upload, part, offset)
    return this.#extend(upload ?? this.#begin(association, part), part, offset, now)
  }

  /** Forgets a body: it has expired, or its association is closed. */
  drop(upload: Upload<Peer, Resource>): void {
    this.#drop(upload)
  }

  #begin(association: CoapAssociation<Peer, Resource>, part: UploadBlock): Upload<Peer, Resource> {
    association.uploads ??= new Map()
    for (const oldest of association.uploads.values()) {
      if (association.uploads.size < this.#context.limits.uploads) break
      this.#drop(oldest)
    }
    return { kind: 'upload', association, key: part.key, receives: part.receives, bytes: noBytes, length: 0 }
  }

  #extend(upload: Upload<Peer, Resource>, part: UploadBlock, offset: number, now: Instant): UploadStep {
    const length = offset + part.payload.length
    if (part.receives === 'whole') {
      if (length > upload.bytes.length) {
        const capacity = Math.min(part.maxBytes, Math.max(length, 2 * upload.bytes.length))
        if (this.#bytes + capacity - upload.bytes.length > this.#context.limits.uploadBytes) {
          this.#drop(upload)
          return refused('overloaded', 'too many unfinished transfers')
        }
        this.#bytes += capacity - upload.bytes.length
        const grown = new Uint8Array(capacity)
        grown.set(upload.bytes)
        upload.bytes = grown
      }
      upload.bytes.set(part.payload, offset)
    }
    upload.length = length
    const uploads = upload.association.uploads
    uploads?.delete(upload.key)
    uploads?.set(upload.key, upload)
    this.#context.timers.set(upload, later(now, this.#context.limits.transferLifetime))
    return part.receives === 'whole' ? { kind: 'continue' } : { kind: 'part', offset }
  }

  #finish(upload: Upload<Peer, Resource> | undefined, part: UploadBlock, offset: number): UploadStep {
    this.#drop(upload)
    if (part.receives === 'blocks') return { kind: 'part', offset }
    const body = new Uint8Array(offset + part.payload.length)
    if (upload !== undefined) body.set(upload.bytes.subarray(0, offset))
    body.set(part.payload, offset)
    return { kind: 'complete', body }
  }

  #drop(upload: Upload<Peer, Resource> | undefined): void {
    if (upload === undefined) return
    // One that was just begun is in no map yet and has no bytes.
    if (upload.association.uploads?.get(upload.key) === upload) upload.association.uploads.delete(upload.key)
    this.#context.timers.cancel(upload)
    this.#bytes -= upload.bytes.length
  }
}
