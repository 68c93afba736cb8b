/**
 * Foreign clients at a listener of ours, and our client at foreign servers: each implementation × suite × kind of key, with
 * nothing between them but sockets. What each came to is in the table at the end of the run.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { connectDtls, type DtlsListener, listenDtls } from '@sallyport/coaps'
import { eventually, noteInterop } from '@sallyport/development'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type ForeignPeer,
  type ForeignSuite,
  gnutls,
  gnutlsNames,
  libcoap,
  nameOf,
  openssl,
  opensslNames,
  pion,
  requirePrograms,
  wolfssl,
} from './foreign-peer.ts'
import { keyKinds, type MatrixCertificates, makeMatrixCertificates } from './matrix-certificates.ts'

const suites = Object.keys(opensslNames) as readonly ForeignSuite[]

const clients: readonly ForeignPeer[] = [
  ...suites.flatMap((suite) => [openssl(suite), gnutls(suite), wolfssl(suite), pion(suite)]),
  libcoap('openssl'),
  libcoap('gnutls'),
]

/** What a path of 296 bytes costs: chains and flights in fragments both ways. */
const smallPaths: readonly ForeignPeer[] = [
  openssl('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', '-mtu', '296'),
  gnutls('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', '--mtu=300'),
]

let certificates: MatrixCertificates
let listener: DtlsListener<string>
let children: ChildProcess[] = []

beforeAll(async () => {
  requirePrograms(clients)
  certificates = makeMatrixCertificates()
  const ca = new X509Certificate(readFileSync(certificates.trustAnchor))
  listener = await listenDtls<string>({
    host: '127.0.0.1',
    port: 0,
    mtu: 268,
    credentials: certificates.credentials('server'),
    cipherSuites: suites,
    verifyPeer: (chain) =>
      new X509Certificate(chain[0] ?? new Uint8Array(0)).verify(ca.publicKey)
        ? { accepted: true, identity: 'device' }
        : { accepted: false, alert: 'unknown_ca', code: 'certificate-authority-unknown', detail: 'not of this CA' },
    events: { data: (association, plaintext) => association.send(acknowledgementOf(plaintext)) },
  })
}, 60_000)

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  children = []
  await listener?.close()
  certificates?.remove()
})

/** 2.05 with the Message ID and token of a confirmable request, and a payload (RFC 7252 section 3). */
function acknowledgementOf(request: Uint8Array): Uint8Array {
  const tokenLength = (request[0] ?? 0) & 0x0f
  const head = Uint8Array.from(request.subarray(0, 4 + tokenLength))
  head[0] = 0x60 | tokenLength
  head[1] = 0x45
  return Buffer.concat([head, Buffer.of(0xff), Buffer.from('now')])
}

const target = () => ({ host: '127.0.0.1', port: listener.address.port, trustAnchor: certificates.trustAnchor })

function noteClient(client: ForeignPeer, credential: string, met: string, result: string): void {
  const { peer, suite } = client
  noteInterop({
    peer,
    version: client.version(),
    role: 'client',
    suite: suite ?? 'its choice',
    credential,
    met,
    result,
  })
}

describe.each(clients.map((client) => ({ client, name: nameOf(client) })))('[6.6] $name', ({ client }) => {
  it.each(keyKinds)('with a certificate of a key %s at our listener', async (kind) => {
    const outcome = await client.connect(target(), certificates.presented(kind))
    noteClient(client, kind, 'listener', outcome.served ? 'served' : (outcome.alert ?? 'gave up by itself'))
    expect(outcome.served, outcome.output).toBe(true)
  })

  it('without a certificate is refused', async () => {
    const outcome = await client.connect(target(), undefined)
    noteClient(client, 'none', 'listener', outcome.alert ?? 'no alert')
    expect(outcome, outcome.output).toMatchObject({ served: false, alert: 'handshake_failure' })
  })
})

describe.each(smallPaths.map((client) => ({ client, name: nameOf(client) })))(
  '[6.6] $name over a path of 300 bytes',
  ({ client }) => {
    it('is served, all flights in fragments', async () => {
      const outcome = await client.connect(target(), certificates.presented('P-256'))
      noteClient(client, 'P-256', 'listener, MTU 300', outcome.served ? 'served' : (outcome.alert ?? 'no alert'))
      expect(outcome.served, outcome.output).toBe(true)
    })
  },
)

interface ForeignServer {
  readonly client: ForeignPeer
  /** Command line, given the port. */
  command(suite: ForeignSuite, port: number): readonly string[]
  /** What it says once it listens. */
  readonly ready: RegExp
  /** False where the handshake must do: it prints what it gets. */
  readonly answers: boolean
}

const files = () => ({ ...certificates.presented('server'), anchor: certificates.trustAnchor })

const servers: readonly ForeignServer[] = [
  {
    client: openssl('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'),
    command: (suite, port) => [
      ...['openssl', 's_server', '-dtls1_2', '-accept', `127.0.0.1:${port}`, '-Verify', '1', '-verify_return_error'],
      ...['-cert', files().certificate, '-key', files().key, '-CAfile', files().anchor],
      ...['-cipher', `${opensslNames[suite]}:@SECLEVEL=0`],
    ],
    ready: /ACCEPT/,
    answers: false,
  },
  {
    client: gnutls('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'),
    command: (suite, port) => [
      ...['gnutls-serv', '--udp', '--port', String(port), '--require-client-cert', '--verify-client-cert', '--echo'],
      ...['--x509certfile', files().certificate, '--x509keyfile', files().key, '--x509cafile', files().anchor],
      '--priority',
      `NONE:+VERS-DTLS1.2:+${gnutlsNames[suite]}:+ECDHE-ECDSA:+AEAD:+SIGN-ALL:+GROUP-ALL:+COMP-NULL`,
    ],
    ready: /UDP server ready|Echo Server listening/i,
    answers: true,
  },
  ...(['openssl', 'gnutls'] as const).map((library) => ({
    client: libcoap(library),
    command: (_: ForeignSuite, port: number) => [
      ...[`coap-server-${library}`, '-A', '127.0.0.1', '-p', String(port - 1), '-n', '-v', '7'],
      ...['-c', files().certificate, '-j', files().key, '-C', files().anchor],
    ],
    ready: /created DTLS +endpoint/i,
    answers: true,
  })),
]

const serverCases = servers.flatMap((server) =>
  (server.client.suite === undefined ? suites.slice(0, 1) : suites).map((suite) => ({
    server,
    suite,
    name: `${server.client.peer}, ${suite}`,
  })),
)

describe.each(serverCases)('[6.6] our client at $name', ({ server, suite }) => {
  it.each(['P-256', 'P-384'] as const)('with a certificate of a key %s', async (kind) => {
    const port = await freePort()
    const [command = '', ...args] = server.command(suite, port)
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    children.push(child)
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (part: Buffer) => (said += part.toString('latin1')))
    const ca = new X509Certificate(readFileSync(certificates.trustAnchor))
    try {
      await eventually(`${command} listens`, async () => server.ready.test(said), 10_000)
      const received: Buffer[] = []
      const association = await connectDtls<string>({
        ...{ host: '127.0.0.1', port, credentials: certificates.credentials(kind), mtu: 268 },
        ...(server.client.suite === undefined ? {} : { cipherSuites: [suite] }),
        verifyPeer: (chain) =>
          new X509Certificate(chain[0] ?? new Uint8Array(0)).verify(ca.publicKey)
            ? { accepted: true, identity: 'server' }
            : { accepted: false, alert: 'unknown_ca', code: 'certificate-authority-unknown', detail: 'not of this CA' },
        onData: (plaintext) => received.push(Buffer.from(plaintext)),
        onClosed: () => undefined,
      })
      // CON GET / with Message ID 1, which an echo gives back and a CoAP server answers.
      association.send(Buffer.from('40010001', 'hex'))
      if (server.answers) await eventually('it answers', async () => received.length > 0, 10_000)
      else expect(association.closed).toBe(false)
      noteInterop({
        ...{ peer: server.client.peer, version: server.client.version(), role: 'server' },
        ...{ suite: association.cipherSuite, credential: kind, met: 'our client', result: 'served us' },
      })
      association.close()
    } finally {
      child.kill('SIGKILL')
    }
  })
})

async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return port
}
