/** A way to Postgres that can stall (a hung server, a network that drops packets) and be cut (a server that is gone). */

import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, Socket } from 'node:net'

export class InterruptibleRoute {
  readonly url: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #stalled = false
  #cut = false

  private constructor(server: Server, target: URL) {
    this.#server = server
    const url = new URL(target)
    url.hostname = '127.0.0.1'
    url.port = String((server.address() as AddressInfo).port)
    this.url = url.toString()
    server.on('connection', (client) => this.#join(client, target))
  }

  static async to(url: string): Promise<InterruptibleRoute> {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new InterruptibleRoute(server, new URL(url))
  }

  /** Connections are accepted, bytes go nowhere. */
  stall(): void {
    this.#stalled = true
    for (const socket of this.#sockets) socket.pause()
  }

  /** All connections are reset; new ones too. */
  cut(): void {
    this.#cut = true
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  mend(): void {
    this.#cut = false
    this.#stalled = false
    for (const socket of this.#sockets) socket.resume()
  }

  async close(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(client: Socket, target: URL): void {
    if (this.#cut) {
      client.resetAndDestroy()
      return
    }
    const server = new Socket().connect(Number(target.port), target.hostname)
    this.#follow(client, server)
    this.#follow(server, client)
    if (!this.#stalled) client.resume()
    else server.pause()
  }

  #follow(from: Socket, to: Socket): void {
    this.#sockets.add(from)
    from.on('data', (bytes) => to.write(bytes))
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
  }
}
