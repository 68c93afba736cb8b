/**
 * A big-endian writer into a buffer of its own, which grows, or into one it was given, which does not.
 */

export class ByteWriter {
  #buffer: Uint8Array
  #offset = 0
  readonly #fixed: boolean

  /** @param into a capacity to start with, or a buffer to write into that must suffice. */
  constructor(into: number | Uint8Array = 256) {
    this.#fixed = typeof into !== 'number'
    this.#buffer = typeof into === 'number' ? new Uint8Array(into) : into
  }

  get length(): number {
    return this.#offset
  }

  u8(value: number): this {
    const at = this.#reserve(1)
    this.#buffer[at] = value
    return this
  }

  u16(value: number): this {
    const at = this.#reserve(2)
    this.#buffer[at] = value >>> 8
    this.#buffer[at + 1] = value
    return this
  }

  u24(value: number): this {
    const at = this.#reserve(3)
    this.#buffer[at] = value >>> 16
    this.#buffer[at + 1] = value >>> 8
    this.#buffer[at + 2] = value
    return this
  }

  u32(value: number): this {
    const at = this.#reserve(4)
    this.#buffer[at] = value >>> 24
    this.#buffer[at + 1] = value >>> 16
    this.#buffer[at + 2] = value >>> 8
    this.#buffer[at + 3] = value
    return this
  }

  /** @param value at most 2^48-1; split by division, since shifts work on 32 bits only. */
  u48(value: number): this {
    const high = Math.floor(value / 0x1000000)
    return this.u24(high).u24(value - high * 0x1000000)
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length)
    this.#buffer.set(value, at)
    return this
  }

  /** A length of 8 bits, then what `write` writes. */
  vector8(write: (writer: this) => void): this {
    const at = this.#reserve(1)
    write(this)
    const length = this.#lengthSince(at + 1, 0xff)
    this.#buffer[at] = length
    return this
  }

  /** A length of 16 bits, then what `write` writes. */
  vector16(write: (writer: this) => void): this {
    const at = this.#reserve(2)
    write(this)
    const length = this.#lengthSince(at + 2, 0xffff)
    this.#buffer[at] = length >>> 8
    this.#buffer[at + 1] = length
    return this
  }

  /** A length of 24 bits, then what `write` writes. */
  vector24(write: (writer: this) => void): this {
    const at = this.#reserve(3)
    write(this)
    const length = this.#lengthSince(at + 3, 0xffffff)
    this.#buffer[at] = length >>> 16
    this.#buffer[at + 1] = length >>> 8
    this.#buffer[at + 2] = length
    return this
  }

  /** A view of what was written; it stays valid until more is written. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#offset)
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#offset)
  }

  #lengthSince(start: number, maximum: number): number {
    const length = this.#offset - start
    if (length > maximum)
      throw new RangeError(`a vector of ${length} bytes does not fit a length of at most ${maximum}`)
    return length
  }

  #reserve(length: number): number {
    const at = this.#offset
    const needed = at + length
    if (needed > this.#buffer.length) {
      if (this.#fixed) throw new RangeError(`${needed} bytes do not fit a buffer of ${this.#buffer.length}`)
      const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2))
      grown.set(this.#buffer.subarray(0, at))
      this.#buffer = grown
    }
    this.#offset = needed
    return at
  }
}
