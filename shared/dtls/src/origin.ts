/** Where a peer comes from, as far as limits care: the host, which one customer has, and the network around it. */

export interface Origin {
  /** An IPv4 address or an IPv6 /64, of which one customer has all. */
  readonly host: string
  /** An IPv4 /24 or an IPv6 /48. */
  readonly network: string
}

/** @param address as node:dgram writes it */
export function originOf(address: string): Origin {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
  if (!mapped.includes(':')) return { host: mapped, network: mapped.slice(0, mapped.lastIndexOf('.')) }
  const [head = '', tail = ''] = mapped.split('::', 2)
  const before = head === '' ? [] : head.split(':')
  const after = tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0')
  const groups = [...before, ...zeros, ...after]
  return { host: groups.slice(0, 4).join(':'), network: groups.slice(0, 3).join(':') }
}
