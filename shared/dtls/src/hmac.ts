/**
 * Hashes and HMAC (RFC 2104), each in as few calls as can be.
 *
 * A handshake hashes little and often. For messages of that size node:crypto's Hash and Hmac objects cost several times
 * what they compute, and so does every digest that it allocates itself. So HMAC is put together here from the one-shot
 * hash, and a digest comes as a latin1 string that is written to where it belongs.
 */

import { hash } from 'node:crypto'

export type HashName = 'sha256' | 'sha384'

/** Bytes: of the blocks that the hash works on, of what it gives. */
const lengths: Readonly<Record<HashName, { readonly block: number; readonly digest: number }>> = {
  sha256: { block: 64, digest: 32 },
  sha384: { block: 128, digest: 48 },
}

export function digest(name: HashName, bytes: Uint8Array): Uint8Array {
  const result = Buffer.allocUnsafeSlow(lengths[name].digest)
  result.write(hash(name, bytes, 'binary'), 0, 'latin1')
  return result
}

/** HMAC under one key, for any number of messages. */
export class Hmac {
  readonly #name: HashName
  readonly #blockLength: number
  /** The key's block under the inner pad, then room for a message. */
  #inner: Buffer
  /** The key's block under the outer pad, then room for the inner digest. */
  readonly #outer: Buffer

  constructor(name: HashName, secret: Uint8Array) {
    const { block, digest: digestLength } = lengths[name]
    const key = secret.length > block ? digest(name, secret) : secret
    this.#name = name
    this.#blockLength = block
    this.#inner = Buffer.alloc(block + 128, 0x36)
    this.#outer = Buffer.alloc(block + digestLength, 0x5c)
    for (let index = 0; index < key.length; index += 1) {
      this.#inner[index] = 0x36 ^ (key[index] as number)
      this.#outer[index] = 0x5c ^ (key[index] as number)
    }
  }

  /** Over the parts, one after the other. */
  of(...parts: readonly Uint8Array[]): Uint8Array {
    let end = this.#blockLength
    for (const part of parts) end += part.length
    if (end > this.#inner.length) this.#grow(end)
    let at = this.#blockLength
    for (const part of parts) {
      this.#inner.set(part, at)
      at += part.length
    }
    this.#outer.write(hash(this.#name, this.#inner.subarray(0, end), 'binary'), this.#blockLength, 'latin1')
    return digest(this.#name, this.#outer)
  }

  #grow(length: number): void {
    const grown = Buffer.alloc(length)
    grown.set(this.#inner.subarray(0, this.#blockLength))
    this.#inner = grown
  }
}
