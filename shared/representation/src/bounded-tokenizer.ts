/**
 * A tokenizer that ends a decoding at a depth, in front of either of cborg's: nesting costs an attacker one byte a level and
 * the recursive decoder behind it a stack frame.
 *
 * It also refuses a definite length that the rest of the input cannot hold, text that is not UTF-8, and numbers that have no
 * place in a representation (NaN, ±Infinity); it reads −0 as 0.
 */

import { Token, Type } from 'cborg'

interface Tokenizer {
  next(): Token
  done(): boolean
  pos(): number
}

export class BoundedTokenizer implements Tokenizer {
  readonly #tokens: Tokenizer
  readonly #length: number
  readonly #maxDepth: number
  /** Items still to come in each open container; `Infinity` until its break. */
  readonly #open: number[] = []

  constructor(tokens: Tokenizer, length: number, maxDepth: number) {
    this.#tokens = tokens
    this.#length = length
    this.#maxDepth = maxDepth
  }

  pos(): number {
    return this.#tokens.pos()
  }

  done(): boolean {
    return this.#tokens.done()
  }

  next(): Token {
    const token = this.#tokens.next()
    if (Type.equals(token.type, Type.break)) {
      this.#open.pop()
      this.#itemEnded()
      return token
    }
    if (Type.equals(token.type, Type.array)) this.#enter(token.value, 1)
    else if (Type.equals(token.type, Type.map)) this.#enter(token.value, 2)
    else if (Type.equals(token.type, Type.tag)) throw new Error('tags are not supported')
    else {
      this.#itemEnded()
      return acceptable(token)
    }
    return token
  }

  #enter(count: number, itemsEach: number): void {
    if (count !== Infinity && count * itemsEach > this.#length - this.#tokens.pos()) {
      throw new Error('a length is larger than the input')
    }
    if (this.#open.length >= this.#maxDepth) throw new Error(`nested deeper than ${this.#maxDepth}`)
    this.#open.push(count * itemsEach)
    if (count === 0) {
      this.#open.pop()
      this.#itemEnded()
    }
  }

  #itemEnded(): void {
    for (let last = this.#open.length - 1; last >= 0; last -= 1) {
      const left = (this.#open[last] ?? 0) - 1
      if (left > 0) {
        this.#open[last] = left
        return
      }
      this.#open.pop()
    }
  }
}

function acceptable(token: Token): Token {
  const value: unknown = token.value
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Error('a number is not finite')
    if (Object.is(value, -0)) return new Token(Type.uint, 0, token.encodedLength)
  }
  if (token.byteValue !== undefined && typeof value === 'string' && value.includes('\ufffd')) {
    new TextDecoder('utf-8', { fatal: true }).decode(token.byteValue)
  }
  return token
}
