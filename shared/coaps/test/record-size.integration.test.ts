/** Limits on the size of records, over real sockets: our client against our server, openssl and gnutls against ours. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type CoapsClient,
  type CoapsServer,
  type ConnectCoapsOptions,
  connectCoaps,
  listenCoaps,
} from '../src/index.ts'
import { type DtlsCertificates, makeDtlsCertificates } from './dtls-certificates.ts'
import { type EchoServer, startEchoServer } from './dtls-echo-server.ts'
import { startForeign } from './foreign-program.ts'

const body = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 31) & 255)

let certificates: DtlsCertificates
let server: CoapsServer<string>
let echo: EchoServer | undefined
const clients: CoapsClient<string>[] = []

beforeAll(async () => {
  certificates = makeDtlsCertificates()
  server = await listenCoaps<string>({
    host: '127.0.0.1',
    port: 0,
    credentials: certificates.credentials('server'),
    verifyPeer: () => ({ accepted: true, identity: 'device' }),
    resources: [
      {
        path: '/echo',
        maxRequestBytes: 20_000,
        handlers: { POST: ({ payload }) => ({ code: '2.04', payload }) },
      },
    ],
  })
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  await echo?.listener.close()
  echo = undefined
})
afterAll(async () => {
  await server?.close()
  certificates?.remove()
})

async function connect(asked: Partial<ConnectCoapsOptions<string>>): Promise<CoapsClient<string>> {
  const client = await connectCoaps<string>({
    host: '127.0.0.1',
    port: server.address.port,
    credentials: certificates.credentials('device'),
    verifyPeer: () => ({ accepted: true, identity: 'server' }),
    resources: [
      { path: '/back', handlers: { POST: ({ payload }) => ({ code: '2.04', payload }) }, maxRequestBytes: 20_000 },
    ],
    ...asked,
  })
  clients.push(client)
  return client
}

describe('our client', () => {
  for (const [asked, ours, theirs] of [
    [{ maxFragmentLength: 512 }, 512, 512],
    // Only what the client sends carries a CID, and the type that goes with it.
    [{ maxFragmentLength: 512, connectionId: true }, 511, 512],
    [{ recordSizeLimit: 64, connectionId: true }, 64, 64],
    [{ maxFragmentLength: 4096 }, 4096, 4096],
  ] as const) {
    it(`with ${JSON.stringify(asked)}: 10 kB both ways, as client and as server`, async () => {
      const client = await connect(asked)
      expect(client.association.maxMessageBytes).toBe(ours)
      const [seen] = [...server.associations].slice(-1)
      expect(seen?.maxMessageBytes).toBe(theirs)
      const there = await client.request({ method: 'POST', payload: body(10_000), path: '/echo' })
      expect(Buffer.from(there.payload).equals(body(10_000))).toBe(true)
      if (seen === undefined) return
      const back = await server.request(seen, { method: 'POST', payload: body(10_000), path: '/back' })
      expect(Buffer.from(back.payload).equals(body(10_000))).toBe(true)
    })
  }

  it('a message that is too long for a record is an error with a code', async () => {
    const { association } = await connect({ maxFragmentLength: 512 })
    expect(() => association.send(body(513))).toThrow(expect.objectContaining({ code: 'message-too-long' }))
    expect(association.closed).toBe(false)
  })
})

describe('foreign clients', () => {
  it('openssl asks for 512 bytes, gets them, and is heard', async () => {
    echo = await startEchoServer({ credentials: certificates.credentials('server-big') })
    const client = startForeign('openssl', [
      ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${echo.port}`, '-maxfraglen', '512'],
      ...['-cert', certificates.file('device-big.pem'), '-key', certificates.file('device-big.key')],
      ...['-cert_chain', certificates.file('device-big.issuers.pem'), '-CAfile', certificates.file('anchors.pem')],
      '-verify_return_error',
    ])
    client.write('hello\n')
    await client.says('echo hello')
    await client.end()
    expect(echo.opened[0]?.maxMessageBytes).toBe(512)
  })

  it('gnutls, which offers record_size_limit by itself, agrees on ours and is heard', async () => {
    echo = await startEchoServer({ credentials: certificates.credentials('server-big') })
    const client = startForeign('gnutls-cli', [
      ...['--udp', '--port', `${echo.port}`, '127.0.0.1', '--recordsize', '600'],
      ...['--sni-hostname', 'localhost', '--verify-hostname', 'localhost'],
      ...['--x509cafile', certificates.file('anchors.pem'), '--x509certfile', certificates.file('device-big.pem')],
      ...['--x509keyfile', certificates.file('device-big.p8.key')],
      '--priority',
      'NONE:+VERS-DTLS1.2:+AES-128-GCM:+ECDHE-ECDSA:+AEAD:+SIGN-ALL:+GROUP-SECP256R1:+COMP-NULL',
    ])
    await client.says('Handshake was completed')
    client.write('hello\n')
    await client.says('echo hello')
    await client.end()
    process.stdout.write(`gnutls: messages of at most ${echo.opened[0]?.maxMessageBytes} bytes\n`)
    expect(echo.opened).toHaveLength(1)
  })
})
