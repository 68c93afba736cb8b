/**
 * A strict DER reader (X.690 sections 8, 10 and 11).
 *
 * Refuses what BER allows and DER does not: indefinite lengths, long forms where the short one fits, INTEGERs with
 * spare octets, BOOLEANs other than 00 and FF, BIT STRINGs with set padding bits. Tags of more than one octet occur in
 * no structure read here and are refused. Everything returned is a view into the input; nothing recurses, so a hostile
 * nesting depth costs nothing.
 */

import { CodedError } from '@sallyport/errors'

/** Identifier octets (X.690 section 8.1.2) of what certificates and requests contain. */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** Identifier octet of a context-specific tag: `[n]`. */
export const contextTag = (number: number, form: 'primitive' | 'constructed'): number =>
  (form === 'constructed' ? 0xa0 : 0x80) | number

export interface DerElement {
  readonly tag: number
  readonly contents: Uint8Array
  /** Tag, length and contents. */
  readonly encoded: Uint8Array
}

const malformed = (message: string): CodedError => new CodedError('malformed-bytes', message)

export class DerReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length
  }

  /** The identifier octet that comes next, or undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#offset]
  }

  /** @throws CodedError `malformed-bytes` at the end or for anything that is not DER. */
  next(): DerElement {
    const start = this.#offset
    const tag = this.#octet()
    if ((tag & 0x1f) === 0x1f) throw malformed(`a tag of several octets at offset ${start}`)
    const length = this.#length()
    const contentsAt = this.#offset
    if (length > this.#bytes.length - contentsAt) throw malformed(`an element at offset ${start} is cut short`)
    this.#offset = contentsAt + length
    return {
      tag,
      contents: this.#bytes.subarray(contentsAt, this.#offset),
      encoded: this.#bytes.subarray(start, this.#offset),
    }
  }

  /** @throws CodedError `malformed-bytes` when another tag comes next. */
  expect(tag: number, what: string): DerElement {
    if (this.nextTag !== tag) {
      const found = this.nextTag === undefined ? 'the end' : `tag 0x${this.nextTag.toString(16)}`
      throw malformed(`${what} (tag 0x${tag.toString(16)}) is missing: found ${found}`)
    }
    return this.next()
  }

  optional(tag: number): DerElement | undefined {
    return this.nextTag === tag ? this.next() : undefined
  }

  sequence(what: string): DerReader {
    return new DerReader(this.expect(derTag.sequence, what).contents)
  }

  /** @throws CodedError `malformed-bytes` when bytes are left. */
  expectEnd(what: string): void {
    if (!this.atEnd) throw malformed(`${this.#bytes.length - this.#offset} bytes too many after ${what}`)
  }

  #octet(): number {
    const octet = this.#bytes[this.#offset]
    if (octet === undefined) throw malformed(`the bytes end at offset ${this.#offset}`)
    this.#offset++
    return octet
  }

  #length(): number {
    const first = this.#octet()
    if (first < 0x80) return first
    const octets = first & 0x7f
    if (octets === 0) throw malformed('an indefinite length is BER, not DER')
    if (octets > 4) throw malformed('a length of more than 4 octets')
    let length = 0
    for (let index = 0; index < octets; index++) length = length * 256 + this.#octet()
    if (length < 0x80 || length < 256 ** (octets - 1)) throw malformed('a length that is longer than it needs to be')
    return length
  }
}

/** The one element that the bytes are. @throws CodedError `malformed-bytes` for trailing bytes. */
export function singleElement(bytes: Uint8Array, tag: number, what: string): DerElement {
  const reader = new DerReader(bytes)
  const element = reader.expect(tag, what)
  reader.expectEnd(what)
  return element
}

/** Contents of an INTEGER, checked to be of minimal length; two's complement, so the first bit is the sign. */
export function integerContents(element: DerElement, what: string): Uint8Array {
  const { contents } = element
  const [first, second] = contents
  if (first === undefined) throw malformed(`${what} is an INTEGER without octets`)
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw malformed(`${what} is an INTEGER with a spare octet`)
  }
  return contents
}

/** A small INTEGER that cannot be negative. @throws CodedError `malformed-bytes` outside 0 … 2^31-1. */
export function smallInteger(element: DerElement, what: string): number {
  const contents = integerContents(element, what)
  if (contents.length > 4 || (contents[0] as number) >= 0x80) throw malformed(`${what} is out of range`)
  return contents.reduce((value, octet) => value * 256 + octet, 0)
}

export function booleanValue(element: DerElement, what: string): boolean {
  const [octet] = element.contents
  if (element.contents.length !== 1 || (octet !== 0 && octet !== 0xff)) throw malformed(`${what} is not a DER BOOLEAN`)
  return octet === 0xff
}

export interface BitString {
  readonly unusedBits: number
  readonly octets: Uint8Array
}

export function bitString(element: DerElement, what: string): BitString {
  const [unusedBits] = element.contents
  const octets = element.contents.subarray(1)
  if (unusedBits === undefined || unusedBits > 7 || (octets.length === 0 && unusedBits !== 0)) {
    throw malformed(`${what} is not a BIT STRING`)
  }
  const last = octets[octets.length - 1] ?? 0
  if ((last & ((1 << unusedBits) - 1)) !== 0) throw malformed(`${what} is a BIT STRING with set padding bits`)
  return { unusedBits, octets }
}

/** A BIT STRING that holds whole octets, as keys and signatures do. */
export function bitStringOctets(element: DerElement, what: string): Uint8Array {
  const { unusedBits, octets } = bitString(element, what)
  if (unusedBits !== 0) throw malformed(`${what} does not hold whole octets`)
  return octets
}

/** Dotted decimal. @throws CodedError `malformed-bytes` for an arc with padding or one that does not end. */
export function objectIdentifier(element: DerElement, what: string): string {
  const { contents } = element
  if (contents.length === 0 || contents.length > 64 || (contents[contents.length - 1] as number) >= 0x80) {
    throw malformed(`${what} is not an OBJECT IDENTIFIER`)
  }
  let text = ''
  // A number as long as that is exact: an arc may have any length.
  let arc: number | bigint = 0
  let inside = false
  for (const octet of contents) {
    if (!inside && octet === 0x80) throw malformed(`${what} has an arc with padding`)
    if (typeof arc === 'number') arc = arc < 2 ** 45 ? arc * 128 + (octet & 0x7f) : BigInt(arc)
    if (typeof arc === 'bigint') arc = (arc << 7n) | BigInt(octet & 0x7f)
    inside = octet >= 0x80
    if (inside) continue
    if (text === '') {
      const root = arc < 40 ? 0 : arc < 80 ? 1 : 2
      text = `${root}.${typeof arc === 'number' ? arc - root * 40 : arc - BigInt(root * 40)}`
    } else {
      text += `.${arc}`
    }
    arc = 0
  }
  return text
}
