/**
 * Bytes that must not be seen: keys, PINs, tokens, passwords.
 *
 * Printing, logging and serializing one gives `[secret]`. JavaScript cannot promise that no copy is left in memory;
 * `wipe` overwrites the one held here.
 */

const shown = '[secret]'

export class SecretBytes {
  readonly #value: Uint8Array

  constructor(value: Uint8Array) {
    this.#value = value
  }

  static fromText(text: string): SecretBytes {
    return new SecretBytes(new TextEncoder().encode(text))
  }

  get length(): number {
    return this.#value.length
  }

  /** The bytes themselves. Each call of this is a place to look at in a review. */
  expose(): Uint8Array {
    return this.#value
  }

  exposeText(): string {
    return new TextDecoder().decode(this.#value)
  }

  wipe(): void {
    this.#value.fill(0)
  }

  toString(): string {
    return shown
  }

  toJSON(): string {
    return shown
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return shown
  }
}
