/**
 * AES-CCM (RFC 3610) for records: nonces of 12 bytes, hence lengths and counters of 3.
 *
 * node:crypto makes a CCM context for each message, which costs two to four times what it then computes. So CCM is put together
 * here from two contexts that stay as long as the key is in use: AES in CBC mode is the MAC (section 2.2), AES on single blocks the
 * key stream (section 2.3). Nothing here depends on a secret but the data itself; no byte of plaintext leaves before its tag was found
 * good, and tags are compared in constant time.
 */

import { type Cipheriv, createCipheriv, type KeyObject } from 'node:crypto'
import { constantTimeEqual } from '@sallyport/bytes'
import type { Aead } from './record-protection.ts'

export type CcmTagLength = 8 | 16

export const ccmNonceLength = 12

const blockLength = 16
/** Bytes of a message's length, and of a block's number. */
const lengthLength = 3
/** Additional data up to here say their length in two bytes. */
const mostAdditionalData = 0xfeff
const mostPlaintext = 2 ** (8 * lengthLength) - 1

export class Ccm implements Aead {
  readonly #tagLength: CcmTagLength
  /** Never begun anew: what it goes on from is taken away again at the next message's beginning. */
  readonly #mac: Cipheriv
  readonly #chained = new Uint8Array(blockLength)
  readonly #keyStream: Cipheriv

  /** @param key of 16 bytes */
  constructor(key: KeyObject, tagLength: CcmTagLength) {
    this.#tagLength = tagLength
    this.#mac = createCipheriv('aes-128-cbc', key, new Uint8Array(blockLength)).setAutoPadding(false)
    this.#keyStream = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
  }

  /**
   * Writes ciphertext and tag at `offset`; the plaintext may stand there.
   *
   * @param nonce never one that was used under this key before
   */
  seal(nonce: Uint8Array, additionalData: Uint8Array, plaintext: Uint8Array, into: Uint8Array, offset: number): void {
    const { length } = plaintext
    const mac = this.#authenticate(nonce, additionalData, plaintext)
    const keyStream = this.#keyStreamOf(nonce, length)
    for (let index = 0; index < length; index += 1) {
      into[offset + index] = (plaintext[index] as number) ^ (keyStream[blockLength + index] as number)
    }
    const tag = offset + length
    const macAt = mac.length - blockLength
    for (let index = 0; index < this.#tagLength; index += 1) {
      into[tag + index] = (mac[macAt + index] as number) ^ (keyStream[index] as number)
    }
  }

  /**
   * What was sealed, in a buffer of its own; undefined when its tag is wrong.
   *
   * @param sealed ciphertext and tag, from `start` on to its end
   */
  open(nonce: Uint8Array, additionalData: Uint8Array, sealed: Uint8Array, start: number): Uint8Array | undefined {
    const length = sealed.length - start - this.#tagLength
    if (length < 0) return undefined
    const keyStream = this.#keyStreamOf(nonce, length)
    const plaintext = new Uint8Array(length)
    for (let index = 0; index < length; index += 1) {
      plaintext[index] = (sealed[start + index] as number) ^ (keyStream[blockLength + index] as number)
    }
    const mac = this.#authenticate(nonce, additionalData, plaintext)
    const tag = start + length
    const macAt = mac.length - blockLength
    const difference = differences[this.#tagLength]
    for (let index = 0; index < this.#tagLength; index += 1) {
      difference[index] =
        (mac[macAt + index] as number) ^ (keyStream[index] as number) ^ (sealed[tag + index] as number)
    }
    return constantTimeEqual(difference, none[this.#tagLength]) ? plaintext : undefined
  }

  /** The MAC is the end of what this gives (RFC 3610 section 2.2). */
  #authenticate(nonce: Uint8Array, additionalData: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const { length } = plaintext
    if (additionalData.length === 0 || additionalData.length > mostAdditionalData || length > mostPlaintext) {
      throw new RangeError(`${additionalData.length} bytes of additional data for ${length} bytes`)
    }
    const dataBlocks = Math.ceil((2 + additionalData.length) / blockLength)
    const content = (1 + dataBlocks) * blockLength
    const input = room(1 + dataBlocks + Math.ceil(length / blockLength))
    input[0] = 0x40 | ((this.#tagLength - 2) << 2) | (lengthLength - 1)
    input.set(nonce, 1)
    input[13] = length >> 16
    input[14] = length >> 8
    input[15] = length
    const chained = this.#chained
    for (let index = 0; index < blockLength; index += 1) {
      input[index] = (input[index] as number) ^ (chained[index] as number)
    }
    input[16] = additionalData.length >> 8
    input[17] = additionalData.length
    input.set(additionalData, 18)
    input.fill(0, 18 + additionalData.length, content)
    input.set(plaintext, content)
    input.fill(0, content + length)
    const output = this.#mac.update(input)
    for (let index = 0, at = output.length - blockLength; index < blockLength; index += 1) {
      chained[index] = output[at + index] as number
    }
    return output
  }

  /** S_0, which hides the MAC, then as many blocks as hide the message (RFC 3610 section 2.3). */
  #keyStreamOf(nonce: Uint8Array, length: number): Uint8Array {
    const blocks = 1 + Math.ceil(length / blockLength)
    const input = room(blocks)
    for (let block = 0, at = 0; block < blocks; block += 1, at += blockLength) {
      input[at] = lengthLength - 1
      input.set(nonce, at + 1)
      input[at + 13] = block >> 16
      input[at + 14] = block >> 8
      input[at + 15] = block
    }
    return this.#keyStream.update(input)
  }
}

// Sealing and opening never suspend, so what they prepare has one place for all: of its own for each short length, which is what most
// records have, and a view of a long one for the others.

const shortBlocks = 24
/** Of a record: two to four before its content. */
const longest = 6 + (2 ** 14 + 2048) / blockLength
const short: Uint8Array[] = []
let long: Uint8Array | undefined

/** Room for so many blocks; what is in it is old. */
function room(blocks: number): Uint8Array {
  if (blocks > longest) return new Uint8Array(blocks * blockLength)
  if (blocks > shortBlocks) {
    long ??= new Uint8Array(longest * blockLength)
    return long.subarray(0, blocks * blockLength)
  }
  short[blocks] ??= new Uint8Array(blocks * blockLength)
  return short[blocks]
}

const differences = { 8: new Uint8Array(8), 16: new Uint8Array(16) }
const none = { 8: new Uint8Array(8), 16: new Uint8Array(16) }
