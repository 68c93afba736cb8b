/**
 * How many connections one caller's network may hold open: a connection costs memory before anything is asked on it, so that
 * one host must not have them all. The next one is closed unanswered, as a full server closes it.
 *
 * Trusted proxies carry everybody's and are not counted.
 */

import { BlockList, isIP, isIPv6, type Server, type Socket } from 'node:net'
import { callerNetwork } from './caller-network.ts'

export interface ConnectionLimit {
  readonly perNetwork: number
  /** Addresses or networks (CIDR). */
  readonly exempt: readonly string[]
  readonly refused?: (() => void) | undefined
}

export function limitConnections(server: Server, { perNetwork, exempt, refused }: ConnectionLimit): void {
  const open = new Map<string, number>()
  const proxies = networksOf(exempt)
  server.prependListener('connection', (socket: Socket) => {
    const address = socket.remoteAddress
    if (address === undefined || proxies.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) return
    const network = callerNetwork(address)
    const count = open.get(network) ?? 0
    if (count >= perNetwork) {
      socket.destroy()
      refused?.()
      return
    }
    open.set(network, count + 1)
    socket.once('close', () => {
      const left = (open.get(network) ?? 1) - 1
      if (left > 0) open.set(network, left)
      else open.delete(network)
    })
  })
}

function networksOf(texts: readonly string[]): BlockList {
  const networks = new BlockList()
  for (const text of texts) {
    const [address = '', prefix] = text.split('/')
    const family = isIP(address)
    if (family === 0) continue
    const type = family === 6 ? 'ipv6' : 'ipv4'
    if (prefix === undefined) networks.addAddress(address, type)
    else networks.addSubnet(address, Number(prefix), type)
  }
  return networks
}
