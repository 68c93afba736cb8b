/** Ports: a free one for a test, and a clear word about one that is taken. */

import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { SetupFailure } from './failure.ts'

const host = '127.0.0.1'

/** A TCP port that was free a moment ago; who needs certainty binds port 0 and reports it. */
export function freeTcpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, host, () => {
      const address = server.address()
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new SetupFailure('no TCP port is free'))
        else resolve(address.port)
      })
    })
  })
}

/**
 * So many ports in a row, free over UDP and TCP, for who gives them up and takes them again: below those that Linux gives out by
 * itself, so that no other program's connection gets one meanwhile. @returns the first
 */
export async function freePortsBelowEphemeral(count = 1): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const first = randomInt(16_500, 32_000)
    const ports = Array.from({ length: count }, (_, index) => first + index)
    const free = await Promise.all(ports.flatMap((port) => [udpPortFree(port), tcpPortFree(port)]))
    if (free.every((one) => one)) return first
  }
  throw new SetupFailure(`${count} UDP and TCP ports in a row are not free`)
}

/** @throws SetupFailure naming the port, what it is for, and the way out, when something else holds it. */
export async function expectPortFree(protocol: 'tcp' | 'udp', port: number, purpose: string): Promise<void> {
  const free = protocol === 'tcp' ? await tcpPortFree(port) : await udpPortFree(port)
  if (!free) {
    throw new SetupFailure(
      `port ${port}/${protocol} (${purpose}) is used by another program: stop it, or run with SALLYPORT_PORT_OFFSET=100`,
    )
  }
}

export function tcpPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}

export function udpPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.once('error', () => {
      socket.close()
      resolve(false)
    })
    socket.bind(port, host, () => socket.close(() => resolve(true)))
  })
}
