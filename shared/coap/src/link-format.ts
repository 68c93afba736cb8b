/** `/.well-known/core`: links in the CoRE link format, and its filters (RFC 6690 sections 2 and 4.1). */

import { utf8 } from '@sallyport/bytes'

export interface WebLink {
  readonly path: string
  readonly rt?: string | readonly string[]
  readonly if?: string | readonly string[]
  readonly ct?: readonly number[]
  readonly title?: string
  readonly observable?: boolean
}

export interface LinkFilter {
  readonly name: string
  /** A trailing `*` matches any rest. */
  readonly value: string
}

/** Links that satisfy every filter, as the payload of a response (content format 40). */
export function encodeLinks(links: readonly WebLink[], filters: readonly LinkFilter[] = []): Uint8Array {
  return utf8(
    links
      .filter((link) => filters.every((filter) => satisfies(link, filter)))
      .map(linkText)
      .join(','),
  )
}

function linkText(link: WebLink): string {
  const target = link.path
    .split('/')
    .map((segment) => encodeURIComponent(segment).replace(/%(?:3A|40|24|26|2B|2C|3B|3D)/g, decodeURIComponent))
    .join('/')
  let text = `<${target}>`
  const rt = valuesOf(link.rt)
  if (rt.length > 0) text += `;rt=${quoted(rt.join(' '))}`
  const interfaces = valuesOf(link.if)
  if (interfaces.length > 0) text += `;if=${quoted(interfaces.join(' '))}`
  if (link.ct !== undefined && link.ct.length > 0) {
    text += link.ct.length === 1 ? `;ct=${link.ct[0]}` : `;ct="${link.ct.join(' ')}"`
  }
  if (link.title !== undefined) text += `;title=${quoted(link.title)}`
  if (link.observable === true) text += ';obs'
  return text
}

function satisfies(link: WebLink, filter: LinkFilter): boolean {
  const matches = (value: string) =>
    filter.value.endsWith('*') ? value.startsWith(filter.value.slice(0, -1)) : value === filter.value
  switch (filter.name) {
    case 'href':
      return matches(link.path)
    case 'rt':
      return valuesOf(link.rt).some(matches)
    case 'if':
      return valuesOf(link.if).some(matches)
    case 'ct':
      return (link.ct ?? []).map(String).some(matches)
    case 'title':
      return link.title !== undefined && matches(link.title)
    case 'obs':
      return link.observable === true
    default:
      return false
  }
}

const valuesOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? value.split(' ') : value

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`
