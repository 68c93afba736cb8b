/** A NAT between one client and a server: it forwards from a port of its own, and takes another when told to. */

import { createSocket, type Socket } from 'node:dgram'

export interface PassedDatagram {
  readonly sender: 'client' | 'server'
  readonly bytes: Buffer
}

export interface NetworkAddressTranslator {
  /** Where the client is to send to. */
  readonly port: number
  /** What the server sees. */
  readonly outerPort: number
  /** All datagrams so far, both ways. */
  readonly passed: readonly PassedDatagram[]
  /** From now on the server sees another port, and what it sends to the former one is lost. */
  rebind(): Promise<void>
  close(): void
}

const bound = (): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1', () => resolve(socket))
  })

export async function startNetworkAddressTranslator(serverPort: number): Promise<NetworkAddressTranslator> {
  const inner = await bound()
  const passed: PassedDatagram[] = []
  let clientPort: number | undefined
  const openOuter = async (): Promise<Socket> => {
    const socket = await bound()
    socket.on('message', (bytes) => {
      passed.push({ sender: 'server', bytes })
      if (clientPort !== undefined) inner.send(bytes, clientPort, '127.0.0.1')
    })
    return socket
  }
  let outer = await openOuter()
  inner.on('message', (bytes, { port }) => {
    clientPort = port
    passed.push({ sender: 'client', bytes })
    outer.send(bytes, serverPort, '127.0.0.1')
  })
  return {
    port: inner.address().port,
    get outerPort() {
      return outer.address().port
    },
    passed,
    rebind: async () => {
      const former = outer
      // Opened before the former is closed, so that it cannot get the same port.
      outer = await openOuter()
      former.close()
    },
    close: () => {
      inner.close()
      outer.close()
    },
  }
}
