/**
 * A server of ours in a process of its own, so that its memory is its own: a stream of bytes to be fetched, one to be sent, and
 * bodies that are put together.
 *
 * Says its ports and then, for each line it reads, its memory and counts, as JSON.
 */

import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { type CoapResource, listenCoaps } from '../src/index.ts'
import { streamOf } from './byte-stream.ts'
import { certificatesFromOpenssl } from './certificates-from-openssl.ts'

const certificates = certificatesFromOpenssl()
const total = Number(process.argv[2])
/** Of an inherited TCP socket that listens. */
const descriptor = process.argv[3] === undefined ? undefined : Number(process.argv[3])
let received = createHash('sha256')
let receivedBytes = 0

const resources: CoapResource<string>[] = [
  {
    path: '/file',
    maxRequestBytes: total,
    receives: 'blocks',
    handlers: {
      GET: ({ range }) => {
        const { offset, length } = range ?? { offset: 0, length: 1024 }
        const payload = streamOf(offset, Math.min(length, total - offset))
        const more = offset + payload.length < total
        return { code: '2.05', payload, etag: Uint8Array.of(1), part: { more, totalBytes: total } }
      },
      PUT: ({ payload, part }) => {
        if (part?.offset === 0) received = createHash('sha256')
        if (part?.offset === 0) receivedBytes = 0
        received.update(payload)
        receivedBytes += payload.length
        return { code: part?.more === true ? '2.31' : '2.04' }
      },
    },
  },
  { path: '/whole', maxRequestBytes: 65_536, handlers: { POST: () => ({ code: '2.04' }) } },
]

const server = await listenCoaps<string>({
  host: '127.0.0.1',
  port: 0,
  limits: {
    maxHandshakesPerSecond: 10_000,
    maxHandshakesPerSecondPerHost: 10_000,
    maxHandshakesPerSecondPerNetwork: 10_000,
  },
  tls: {
    descriptor,
    host: '127.0.0.1',
    port: 0,
  },
  credentials: certificates.server,
  verifyPeer: () => ({ accepted: true, identity: 'device' }),
  resources,
})
const say = (facts: object) => process.stdout.write(`${JSON.stringify(facts)}\n`)
say({ dtls: server.address.port, tls: server.tlsAddress?.port })
for await (const _ of createInterface({ input: process.stdin })) {
  // The second finds what the first has let go of: buffers are given back behind it.
  globalThis.gc?.()
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  say({ rss, held: heapUsed + external, receivedBytes, digest: received.copy().digest('hex'), ...server.counts })
}
await server.close()
certificates.remove()
