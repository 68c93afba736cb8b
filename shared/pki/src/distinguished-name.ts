/**
 * Distinguished names (RFC 5280 section 4.1.2.4): parsed, written as RFC 4514 text, and folded for comparison.
 *
 * Issuer and subject are chained by their DER bytes, which is stricter than RFC 5280 section 7.1; the folded form
 * serves name constraints, where an excluded name must not escape by another spelling.
 */

import { fromUtf8, toHex } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import { type DerElement, DerReader, derTag, objectIdentifier } from './der-reader.ts'
import { derElement, derObjectIdentifier, derSequence, derSetOf, derUtf8String } from './der-writer.ts'
import { attributeTypeId, nameIn } from './object-identifiers.ts'

export interface NameAttribute {
  readonly type: string
  /** The value as text; `#` and hexadecimal DER where it is no string. */
  readonly text: string
}

/** Attributes of one relative distinguished name; nearly always one. */
export type RelativeName = readonly NameAttribute[]

export interface DistinguishedName {
  readonly der: Uint8Array
  /** In the order of the encoding, the most general first. */
  readonly relativeNames: readonly RelativeName[]
}

/** @throws CodedError `malformed-bytes`. */
export function parseDistinguishedName(element: DerElement, what: string): DistinguishedName {
  if (element.tag !== derTag.sequence) throw new CodedError('malformed-bytes', `${what} is not a SEQUENCE`)
  const reader = new DerReader(element.contents)
  const relativeNames: RelativeName[] = []
  while (!reader.atEnd) relativeNames.push(relativeName(reader.expect(derTag.set, `${what}: a relative name`), what))
  return { der: element.encoded, relativeNames }
}

/** RFC 4514: the most specific first. */
export const nameText = (name: DistinguishedName): string =>
  name.relativeNames
    .toReversed()
    .map((attributes) =>
      attributes.map(({ type, text }) => `${nameIn(attributeTypeId, type)}=${escaped(text)}`).join('+'),
    )
    .join(',')

/** The common name, where there is exactly one: with two, nobody can say which is meant. */
export function commonNameOf(name: DistinguishedName): string | undefined {
  const found = name.relativeNames.flat().filter(({ type }) => type === attributeTypeId.CN)
  return found.length === 1 ? found[0]?.text : undefined
}

/** One text per relative name, equal for names that RFC 5280 section 7.1 calls equal (case and white space folded). */
export const foldedRelativeNames = (name: DistinguishedName): readonly string[] =>
  name.relativeNames.map((attributes) =>
    attributes
      .map(({ type, text }) => `${type}=${text.normalize('NFKC').toLowerCase().trim().replaceAll(/\s+/g, ' ')}`)
      .toSorted()
      .join('\u0000'),
  )

/** A name of a common name and, optionally, an organization: what our own authorities and certificates bear. */
export function encodeName(name: { commonName: string; organization?: string }): Uint8Array {
  const attribute = (type: string, text: string): Uint8Array =>
    derSetOf(derSequence(derObjectIdentifier(type), derUtf8String(text)))
  return derSequence(
    ...(name.organization === undefined ? [] : [attribute(attributeTypeId.O, name.organization)]),
    attribute(attributeTypeId.CN, name.commonName),
  )
}

/** The name without attributes. */
export const emptyName = (): Uint8Array => derElement(derTag.sequence)

function relativeName(set: DerElement, what: string): RelativeName {
  const reader = new DerReader(set.contents)
  const attributes: NameAttribute[] = []
  while (!reader.atEnd) {
    const pair = reader.sequence(`${what}: an attribute`)
    const type = objectIdentifier(pair.expect(derTag.objectIdentifier, `${what}: an attribute type`), what)
    const value = pair.next()
    pair.expectEnd(`${what}: an attribute`)
    attributes.push({ type, text: attributeText(value) })
  }
  if (attributes.length === 0) throw new CodedError('malformed-bytes', `${what} has an empty relative name`)
  return attributes
}

function attributeText(value: DerElement): string {
  switch (value.tag) {
    case derTag.utf8String:
      return fromUtf8(value.contents)
    case derTag.printableString:
    case derTag.ia5String:
    case derTag.numericString:
    case derTag.teletexString:
      return Buffer.from(value.contents).toString('latin1')
    case derTag.bmpString:
      return bigEndianText(value.contents, 2)
    case derTag.universalString:
      return bigEndianText(value.contents, 4)
    default:
      return `#${toHex(value.encoded)}`
  }
}

function bigEndianText(contents: Uint8Array, width: number): string {
  if (contents.length % width !== 0) throw new CodedError('malformed-bytes', 'a string of broken characters')
  let text = ''
  for (let at = 0; at < contents.length; at += width) {
    let point = 0
    for (const octet of contents.subarray(at, at + width)) point = point * 256 + octet
    if (point > 0x10ffff) throw new CodedError('malformed-bytes', 'a character beyond Unicode')
    text += String.fromCodePoint(point)
  }
  return text
}

/** What RFC 4514 section 2.4 has escaped. */
const special = /[",+;<>\\\u0000-\u001f\u007f]|^[ #]| $/

function escaped(text: string): string {
  if (!special.test(text)) return text
  return text
    .replaceAll(/[",+;<>\\]/g, (character) => `\\${character}`)
    .replaceAll(/[\u0000-\u001f\u007f]/g, (character) => `\\${toHex(Uint8Array.of(character.charCodeAt(0)))}`)
    .replace(/^[ #]/, (character) => `\\${character}`)
    .replace(/ $/, '\\ ')
}
