/** A TCP proxy that can hold its breath: connections stay open, nothing passes. What a hung server looks like. */

import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

export interface StallableProxy {
  /** The same URL, through the proxy. */
  readonly url: string
  stall(): void
  resume(): void
  close(): Promise<void>
}

export async function startStallableProxy(target: string): Promise<StallableProxy> {
  const through = new URL(target)
  const port = Number(through.port)
  const host = through.hostname
  const sockets = new Set<Socket>()
  let stalled = false
  const server = createServer((inner) => {
    const outer = connect(port, host)
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(from)
      from.on('data', (chunk) => void to.write(chunk))
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      if (stalled) from.pause()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  through.hostname = '127.0.0.1'
  through.port = String((server.address() as AddressInfo).port)
  return {
    url: through.toString(),
    stall() {
      stalled = true
      for (const socket of sockets) socket.pause()
    },
    resume() {
      stalled = false
      for (const socket of sockets) socket.resume()
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
