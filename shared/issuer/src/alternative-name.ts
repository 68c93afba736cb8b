/** Subject alternative names from text, as configuration gives them. */

import { isIPv4, isIPv6 } from 'node:net'
import { CodedError } from '@sallyport/errors'
import type { WrittenName } from '@sallyport/pki'

export const dnsName = (host: string): WrittenName => ({ kind: 'dns', text: host.toLowerCase() })
export const uriName = (uri: string): WrittenName => ({ kind: 'uri', text: uri })

/** @throws CodedError `validation-failed` unless the text is an IPv4 or IPv6 address. */
export function ipName(address: string): WrittenName {
  if (isIPv4(address)) return { kind: 'ip', octets: Uint8Array.from(address.split('.').map(Number)) }
  if (isIPv6(address) && !address.includes('%') && !address.includes('.')) {
    return { kind: 'ip', octets: ipv6Octets(address) }
  }
  throw new CodedError('validation-failed', `${JSON.stringify(address)} is no IP address`)
}

function ipv6Octets(address: string): Uint8Array {
  const [head = '', tail] = address.split('::')
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const before = groups(head)
  const after = groups(tail ?? '')
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}
