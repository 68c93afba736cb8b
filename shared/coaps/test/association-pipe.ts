/** Two ends of one association without DTLS: what one sends, the other gets, a microtask later. */

import { instant } from '@sallyport/clock'
import type { Association } from '../src/association.ts'
import { CoapService, type CoapServiceOptions } from '../src/coap-service.ts'

export interface PipeEnd extends Association<string> {
  readonly sent: Uint8Array[]
}

export interface Pipe {
  readonly client: CoapService<string>
  readonly server: CoapService<string>
  /** The client's end. */
  readonly near: PipeEnd
  /** The server's end. */
  readonly far: PipeEnd
  close(): void
}

/** @param drop decides about each message by its index, over both directions */
export function pipe(
  serverOptions: Partial<CoapServiceOptions<string>>,
  clientOptions: Partial<CoapServiceOptions<string>> = {},
): Pipe {
  const server = new CoapService<string>({ resources: [], mtu: 1200, ...serverOptions })
  const client = new CoapService<string>({ resources: [], mtu: 1200, ...clientOptions })
  let closed = false
  const close = () => {
    if (closed) return
    closed = true
    client.closed(near, 'close-notify')
    server.closed(far, 'local')
    client.end()
    server.end()
  }
  const end = (id: string, deliver: (message: Uint8Array) => void): PipeEnd => {
    const sent: Uint8Array[] = []
    return {
      id,
      identity: id,
      remote: { address: '127.0.0.1', port: 1 },
      transport: 'dtls',
      cipherSuite: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
      openedAt: instant(0),
      get closed() {
        return closed
      },
      sent,
      send: (message) => {
        if (closed) return
        sent.push(message)
        queueMicrotask(() => closed || deliver(message))
      },
      close,
    }
  }
  const near = end('near', (message) => server.data(far, message))
  const far = end('far', (message) => client.data(near, message))
  return { client, server, near, far, close }
}
