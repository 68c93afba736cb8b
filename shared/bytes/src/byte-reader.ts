/**
 * A bounded reader over bytes, big-endian as every protocol here is.
 *
 * It never copies: `bytes` and `rest` are views into what it was given. Reading past the end is a fault of the peer and
 * throws `malformed-bytes`; a parser that succeeds calls `expectEnd`, so that nothing is left unread unnoticed.
 */

import { CodedError } from '@sallyport/errors'

export class ByteReader {
  readonly #view: Uint8Array
  #offset: number
  readonly #end: number

  constructor(view: Uint8Array, start = 0, end: number = view.length) {
    this.#view = view
    this.#offset = start
    this.#end = end
  }

  get remaining(): number {
    return this.#end - this.#offset
  }

  /** Bytes consumed since the start of the underlying view. */
  get offset(): number {
    return this.#offset
  }

  u8(): number {
    const at = this.#take(1)
    return this.#view[at] as number
  }

  u16(): number {
    const at = this.#take(2)
    return ((this.#view[at] as number) << 8) | (this.#view[at + 1] as number)
  }

  u24(): number {
    const at = this.#take(3)
    return ((this.#view[at] as number) << 16) | ((this.#view[at + 1] as number) << 8) | (this.#view[at + 2] as number)
  }

  /** Unsigned: shifting into bit 31 would make it negative, so the top byte is multiplied. */
  u32(): number {
    return this.u8() * 0x1000000 + this.u24()
  }

  /** 48 bits fit a double exactly. */
  u48(): number {
    return this.u24() * 0x1000000 + this.u24()
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length)
    return this.#view.subarray(at, at + length)
  }

  /** A view of everything left. */
  rest(): Uint8Array {
    return this.bytes(this.remaining)
  }

  /** A reader over the next `length` bytes. */
  sub(length: number): ByteReader {
    const at = this.#take(length)
    return new ByteReader(this.#view, at, at + length)
  }

  vector8(): ByteReader {
    return this.sub(this.u8())
  }

  vector16(): ByteReader {
    return this.sub(this.u16())
  }

  vector24(): ByteReader {
    return this.sub(this.u24())
  }

  /** @throws CodedError `malformed-bytes` when bytes are left. */
  expectEnd(): void {
    if (this.remaining !== 0)
      throw new CodedError('malformed-bytes', `${this.remaining} bytes too many at offset ${this.#offset}`)
  }

  #take(length: number): number {
    const at = this.#offset
    if (length > this.#end - at) {
      throw new CodedError('malformed-bytes', `${length} bytes wanted at offset ${at}, ${this.#end - at} left`)
    }
    this.#offset = at + length
    return at
  }
}
