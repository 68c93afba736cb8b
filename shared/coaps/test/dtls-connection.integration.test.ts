/** Our DTLS client against our listener, and against openssl s_server, over real sockets. */

import { createSocket } from 'node:dgram'
import { seconds } from '@sallyport/clock'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Association, AssociationCloseReason } from '../src/association.ts'
import { type ConnectDtlsOptions, connectDtls } from '../src/dtls-connection.ts'
import { type DtlsCertificates, makeDtlsCertificates } from './dtls-certificates.ts'
import { type EchoServer, startEchoServer } from './dtls-echo-server.ts'
import { type ForeignProgram, startForeign } from './foreign-program.ts'

interface Client {
  readonly association: Association<string>
  readonly received: string[]
  readonly closed: AssociationCloseReason[]
}

let certificates: DtlsCertificates
let server: EchoServer | undefined
const clients: Client[] = []

beforeAll(() => {
  certificates = makeDtlsCertificates()
})
afterAll(() => certificates.remove())
afterEach(async () => {
  for (const { association } of clients.splice(0)) association.close()
  await server?.listener.close()
  server = undefined
})

async function serve(options: Partial<Parameters<typeof startEchoServer>[0]> = {}): Promise<EchoServer> {
  server = await startEchoServer({ credentials: certificates.credentials('server'), ...options })
  return server
}

async function connect(port: number, options: Partial<ConnectDtlsOptions<string>> = {}): Promise<Client> {
  const received: string[] = []
  const closed: AssociationCloseReason[] = []
  const association = await connectDtls<string>({
    host: '127.0.0.1',
    port,
    credentials: certificates.credentials('device'),
    verifyPeer: async (chain) => ({ accepted: true, identity: `a chain of ${chain.length}` }),
    onData: (plaintext) => received.push(Buffer.from(plaintext).toString()),
    onClosed: (reason) => closed.push(reason),
    ...options,
  })
  const client = { association, received, closed }
  clients.push(client)
  return client
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5000; !condition(); ) {
    if (Date.now() > deadline) throw new Error('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const send = ({ association }: Client, text: string): void => association.send(Buffer.from(text))

describe('our client and our listener', () => {
  it('(RFC 7252 section 9.1.3) prove their certificates to each other and exchange records both ways', async () => {
    const { port, opened, listener } = await serve()
    const client = await connect(port)
    send(client, 'hello')
    await until(() => client.received.length === 1)
    expect(client.received).toEqual(['echo hello'])
    expect(client.association.identity).toBe('a chain of 1')
    expect(client.association.cipherSuite).toBe('TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256')
    expect(opened[0]?.id).toMatch(/^[0-9a-f]{16}$/)
    expect([...listener.associations]).toEqual(opened)
    expect(listener.counts).toEqual({ live: 1, halfOpen: 0 })
    client.association.close()
    await until(() => listener.counts.live === 0)
    expect(client.closed).toEqual(['local'])
    expect(server?.closed).toEqual(['close-notify'])
    expect(client.association.closed).toBe(true)
    expect(opened[0]?.closed).toBe(true)
    opened[0]?.send(Buffer.from('into the void'))
    opened[0]?.close()
  })

  for (const host of ['localhost', '::1']) {
    it(`meet at ${host}`, async () => {
      const { port } = await serve({ host })
      const client = await connect(port, { host })
      send(client, 'hello')
      await until(() => client.received.length === 1)
    })
  }

  it('the server can speak first, and can close', async () => {
    const { port, opened } = await serve()
    const client = await connect(port)
    await until(() => opened.length === 1)
    opened[0]?.send(Buffer.from('observe'))
    await until(() => client.received.length === 1)
    opened[0]?.close()
    await until(() => client.closed.length === 1)
    expect(client.closed).toEqual(['close-notify'])
  })

  it('twenty clients at once, each with its own association', async () => {
    const { port, listener } = await serve()
    const connected = await Promise.all(Array.from({ length: 20 }, () => connect(port)))
    for (const [index, client] of connected.entries()) send(client, String(index))
    await until(() => connected.every((client) => client.received.length === 1))
    expect(connected.map((client) => client.received[0])).toEqual(connected.map((_, index) => `echo ${index}`))
    expect(listener.counts.live).toBe(20)
    expect(new Set([...listener.associations].map(({ id }) => id)).size).toBe(20)
  })

  it('a client that the server refuses learns the alert, and the server keeps nothing', async () => {
    const { port, listener } = await serve({
      verifyPeer: () => ({ accepted: false, alert: 'unknown_ca', code: 'certificate-authority-unknown', detail: 'no' }),
    })
    await expect(connect(port)).rejects.toMatchObject({
      code: 'handshake-failed',
      details: { alert: 'unknown_ca', direction: 'received' },
    })
    expect(listener.counts).toEqual({ live: 0, halfOpen: 0 })
  })

  it('[4.4] a client without a certificate is refused with handshake_failure', async () => {
    const { port } = await serve()
    const { credentials: _, ...anonymous } = {
      host: '127.0.0.1',
      port,
      credentials: undefined,
      verifyPeer: () => ({ accepted: true, identity: 'x' }) as const,
      onData: () => undefined,
      onClosed: () => undefined,
    }
    await expect(connectDtls<string>(anonymous)).rejects.toMatchObject({ details: { alert: 'handshake_failure' } })
  })

  it('a server that the client refuses is told so before it learns anything of the client', async () => {
    const { port, failures, until: happens } = await serve()
    const refusal = connect(port, {
      verifyPeer: () => ({
        accepted: false,
        alert: 'bad_certificate',
        code: 'certificate-signature-invalid',
        detail: 'no',
      }),
    })
    await expect(refusal).rejects.toMatchObject({
      details: { alert: 'bad_certificate', direction: 'sent', reason: 'certificate-signature-invalid' },
    })
    await happens(() => failures.length === 1)
    expect(failures[0]).toMatchObject({ alert: 'bad_certificate', direction: 'received' })
    expect(failures[0]?.chain).toBeUndefined()
  })

  it('nobody there: the client gives up in its time', async () => {
    const silent = createSocket('udp4')
    await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve))
    const attempt = connect(silent.address().port, { handshakeTimeout: seconds(1) })
    await expect(attempt).rejects.toMatchObject({ code: 'handshake-timed-out' })
    silent.close()
  })

  it('credentials that do not fit are refused before anything is sent', async () => {
    const mixed = { ...certificates.credentials('device'), chain: certificates.credentials('server').chain }
    await expect(connect(1, { credentials: mixed })).rejects.toMatchObject({ code: 'configuration-invalid' })
    const rsa = certificates.credentials('device-rsa')
    await expect(serve({ credentials: rsa })).rejects.toMatchObject({ code: 'configuration-invalid' })
  })

  it('a port in use is an error of the environment, told as such', async () => {
    const { port } = await serve()
    await expect(startEchoServer({ credentials: certificates.credentials('server'), port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
  })

  it('chains of RSA authorities in fragments of 228 bytes', async () => {
    const { port } = await serve({ credentials: certificates.credentials('server-big'), mtu: 228 })
    const client = await connect(port, { credentials: certificates.credentials('device-big'), mtu: 228 })
    expect(client.association.identity).toBe('a chain of 2')
    send(client, 'hello')
    await until(() => client.received.length === 1)
  })
})

describe('openssl s_server', () => {
  const suites = ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-CCM8', 'ECDHE-ECDSA-AES256-GCM-SHA384']
  const freePort = async (): Promise<number> => {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    const { port } = socket.address()
    await new Promise<void>((resolve) => socket.close(() => resolve()))
    return port
  }
  const sServer = async (leaf: string, ...more: string[]): Promise<{ port: number; program: ForeignProgram }> => {
    const port = await freePort()
    const program = startForeign('openssl', [
      's_server',
      '-dtls1_2',
      '-accept',
      `127.0.0.1:${port}`,
      '-cert',
      certificates.file(`${leaf}.pem`),
      '-key',
      certificates.file(`${leaf}.key`),
      '-CAfile',
      certificates.file('anchors.pem'),
      ...more,
    ])
    await program.says('ACCEPT')
    return { port, program }
  }

  for (const suite of suites) {
    it(`verifies our certificate and speaks with us over ${suite}`, async () => {
      const { port, program } = await sServer(
        'server',
        '-Verify',
        '1',
        '-verify_return_error',
        '-cipher',
        `${suite}:@SECLEVEL=0`,
      )
      const client = await connect(port)
      send(client, 'hello from us\n')
      await program.says('hello from us')
      program.write('hello from it\n')
      await until(() => client.received.includes('hello from it\n'))
      client.association.close()
      const { output } = await program.end(1500)
      expect(output).toContain('subject=CN = device')
      expect(output).toContain(`CIPHER is ${suite}`)
    })
  }

  it('that asks for no certificate gets none, and we still verify its own', async () => {
    const { port, program } = await sServer('server-p384')
    const client = await connect(port)
    send(client, 'hello\n')
    await program.says('hello')
    const { output } = await program.end(1500)
    expect(output).not.toContain('subject=CN = device')
  })

  it('with a small MTU and a chain of RSA authorities, both sides in fragments', async () => {
    const chain = ['-cert_chain', certificates.file('server-big.issuers.pem')]
    const { port, program } = await sServer(
      'server-big',
      '-Verify',
      '2',
      '-verify_return_error',
      '-mtu',
      '296',
      ...chain,
    )
    const client = await connect(port, { credentials: certificates.credentials('device-big'), mtu: 268 })
    expect(client.association.identity).toBe('a chain of 2')
    send(client, 'hello\n')
    await program.says('hello')
    await program.end(1500)
  })

  it('that refuses us tells us why', async () => {
    const { port, program } = await sServer('server', '-Verify', '0', '-verify_return_error')
    const { credentials: _, ...anonymous } = {
      host: '127.0.0.1',
      port,
      credentials: undefined,
      verifyPeer: () => ({ accepted: true, identity: 'x' }) as const,
      onData: () => undefined,
      onClosed: () => undefined,
    }
    await expect(connectDtls<string>(anonymous)).rejects.toMatchObject({ details: { direction: 'received' } })
    await program.end(1500)
  })
})
