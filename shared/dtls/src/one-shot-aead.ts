/** The AEADs of our cipher suites (RFC 5288, RFC 6655) as node:crypto offers them: a context for each record. */

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import type { CipherSuite } from './cipher-suite.ts'
import type { Aead } from './record-protection.ts'

export class OneShotAead implements Aead {
  readonly #name: CipherSuite['aead']
  readonly #authTagLength: CipherSuite['tagLength']
  /** Raw bytes would be imported anew for each record, at four times the cost. */
  readonly key: KeyObject

  /** @param key of the suite's length, not kept as such */
  constructor({ aead, tagLength }: CipherSuite, key: Uint8Array) {
    this.#name = aead
    this.#authTagLength = tagLength
    // From a copy: node:crypto gives an array that it reads a buffer of its own outside the heap, for good.
    this.key = createSecretKey(Buffer.from(key))
  }

  seal(nonce: Uint8Array, additionalData: Uint8Array, plaintext: Uint8Array, into: Uint8Array, offset: number): void {
    const authTagLength = this.#authTagLength
    const cipher =
      this.#name === 'aes-128-ccm'
        ? createCipheriv(this.#name, this.key, nonce, { authTagLength })
        : createCipheriv(this.#name, this.key, nonce, { authTagLength })
    cipher.setAAD(additionalData, { plaintextLength: plaintext.length })
    into.set(cipher.update(plaintext), offset)
    cipher.final()
    into.set(cipher.getAuthTag(), offset + plaintext.length)
  }

  open(nonce: Uint8Array, additionalData: Uint8Array, sealed: Uint8Array, start: number): Uint8Array | undefined {
    const authTagLength = this.#authTagLength
    const tag = sealed.length - authTagLength
    const decipher =
      this.#name === 'aes-128-ccm'
        ? createDecipheriv(this.#name, this.key, nonce, { authTagLength })
        : createDecipheriv(this.#name, this.key, nonce, { authTagLength })
    decipher.setAuthTag(sealed.subarray(tag))
    decipher.setAAD(additionalData, { plaintextLength: tag - start })
    try {
      const plaintext = decipher.update(sealed.subarray(start, tag))
      decipher.final()
      return plaintext
    } catch {
      // node:crypto's only way to say that the tag is wrong.
      return undefined
    }
  }
}
