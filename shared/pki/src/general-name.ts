/** GeneralName (RFC 5280 section 4.2.1.6), as far as names are compared or shown; the other forms are kept by tag. */

import { CodedError } from '@sallyport/errors'
import { contextTag, type DerElement, DerReader, derTag, singleElement } from './der-reader.ts'
import { derContext, derContextPrimitive } from './der-writer.ts'
import { type DistinguishedName, parseDistinguishedName } from './distinguished-name.ts'

export type GeneralName =
  | { readonly kind: 'email' | 'dns' | 'uri'; readonly text: string }
  /** 4 or 16 octets; in a name constraint 8 or 32, address then mask. */
  | { readonly kind: 'ip'; readonly octets: Uint8Array }
  | { readonly kind: 'directory'; readonly name: DistinguishedName }
  | { readonly kind: 'other'; readonly tag: number }

const textKinds = new Map<number, 'email' | 'dns' | 'uri'>([
  [contextTag(1, 'primitive'), 'email'],
  [contextTag(2, 'primitive'), 'dns'],
  [contextTag(6, 'primitive'), 'uri'],
])
const ipTag = contextTag(7, 'primitive')
const directoryTag = contextTag(4, 'constructed')
const otherTags = new Set([
  contextTag(0, 'constructed'),
  contextTag(3, 'constructed'),
  contextTag(5, 'constructed'),
  contextTag(8, 'primitive'),
])

/** @throws CodedError `malformed-bytes`. */
export function parseGeneralName(element: DerElement, what: string): GeneralName {
  const kind = textKinds.get(element.tag)
  if (kind !== undefined) {
    if (element.contents.some((octet) => octet >= 0x80)) {
      throw new CodedError('malformed-bytes', `${what}: a ${kind} name that is not ASCII`)
    }
    return { kind, text: Buffer.from(element.contents).toString('latin1') }
  }
  if (element.tag === ipTag) return { kind: 'ip', octets: element.contents }
  if (element.tag === directoryTag) {
    return {
      kind: 'directory',
      name: parseDistinguishedName(singleElement(element.contents, derTag.sequence, what), what),
    }
  }
  if (otherTags.has(element.tag)) return { kind: 'other', tag: element.tag }
  throw new CodedError('malformed-bytes', `${what}: a name of unknown form`)
}

export function parseGeneralNames(contents: Uint8Array, what: string): GeneralName[] {
  const reader = new DerReader(contents)
  const names: GeneralName[] = []
  while (!reader.atEnd) names.push(parseGeneralName(reader.next(), what))
  return names
}

/** What our own profiles write. */
export type WrittenName =
  | { readonly kind: 'dns' | 'uri'; readonly text: string }
  | { readonly kind: 'ip'; readonly octets: Uint8Array }

export function encodeGeneralName(name: WrittenName): Uint8Array {
  if (name.kind === 'ip') return derContextPrimitive(7, name.octets)
  return derContextPrimitive(name.kind === 'dns' ? 2 : 6, new Uint8Array(Buffer.from(name.text, 'latin1')))
}

export const encodeDirectoryName = (nameDer: Uint8Array): Uint8Array => derContext(4, nameDer)
