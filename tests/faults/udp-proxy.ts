/**
 * A UDP proxy that is a bad network: each client gets a path of its own to the server, with a seed of its own.
 *
 * What happens to a datagram is decided in network-faults.ts; only the sockets and timers are here.
 */

import { createSocket, type Socket } from 'node:dgram'
import { fateOf, type NetworkFaults, randomFrom } from './network-faults.ts'

export interface ProxyOptions {
  /** Asked for each datagram: it may be known only after the proxy has a port. */
  readonly server: () => { readonly host: string; readonly port: number }
  readonly seed: number
  readonly toServer: NetworkFaults
  readonly toClient: NetworkFaults
  /** Sees each datagram before its fate. */
  readonly onDatagram?: (direction: 'to-server' | 'to-client', datagram: Buffer) => void
}

export interface UdpProxy {
  readonly port: number
  /** Largest datagram seen from each side, in bytes. */
  readonly largest: { readonly toServer: number; readonly toClient: number }
  /** As a NAT that has forgotten: what a client sends next reaches the server from another port. */
  rebind(): void
  close(): void
}

const host = '127.0.0.1'

/** Resolves once it listens on a free port. */
export async function startUdpProxy(options: ProxyOptions): Promise<UdpProxy> {
  const front = createSocket('udp4')
  const paths = new Map<number, Socket>()
  const timers = new Set<NodeJS.Timeout>()
  const largest = { toServer: 0, toClient: 0 }
  // Each direction draws from its own numbers: what one side sends does not change the other's fate.
  const randomToServer = randomFrom(options.seed)
  const randomToClient = randomFrom(options.seed ^ 0x5bd1e995)
  let closed = false

  const deliver = (faults: NetworkFaults, random: () => number, datagram: Buffer, send: (part: Buffer) => void) => {
    for (const { after, length } of fateOf(faults, random, datagram.length)) {
      const part = datagram.subarray(0, length)
      if (after === 0) {
        send(part)
        continue
      }
      const timer = setTimeout(() => {
        timers.delete(timer)
        if (!closed) send(part)
      }, after)
      timers.add(timer)
    }
  }

  const pathOf = (client: number): Socket => {
    const known = paths.get(client)
    if (known !== undefined) return known
    const back = createSocket('udp4')
    paths.set(client, back)
    back.on('error', () => undefined)
    back.on('message', (datagram) => {
      options.onDatagram?.('to-client', datagram)
      largest.toClient = Math.max(largest.toClient, datagram.length)
      deliver(options.toClient, randomToClient, datagram, (part) => front.send(part, client, host))
    })
    return back
  }

  front.on('error', () => undefined)
  front.on('message', (datagram, { port }) => {
    options.onDatagram?.('to-server', datagram)
    largest.toServer = Math.max(largest.toServer, datagram.length)
    const path = pathOf(port)
    const server = options.server()
    deliver(options.toServer, randomToServer, datagram, (part) => path.send(part, server.port, server.host))
  })
  await new Promise<void>((resolve) => front.bind(0, host, resolve))
  return {
    port: front.address().port,
    largest,
    rebind: () => {
      for (const path of paths.values()) path.close()
      paths.clear()
    },
    close: () => {
      closed = true
      for (const timer of timers) clearTimeout(timer)
      for (const path of paths.values()) path.close()
      front.close()
    },
  }
}
