/** Sessions that go on: our client, openssl and gnutls with our listener, our client with openssl s_server. */

import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClientSession } from '@sallyport/dtls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Association, PeerVerdict } from '../src/association.ts'
import { type ConnectDtlsOptions, connectDtls } from '../src/dtls-connection.ts'
import { type DtlsCertificates, makeDtlsCertificates } from './dtls-certificates.ts'
import { type EchoServer, startEchoServer } from './dtls-echo-server.ts'
import { type ForeignProgram, startForeign } from './foreign-program.ts'

let certificates: DtlsCertificates
let directory: string
let server: EchoServer | undefined
const associations: Association<string>[] = []

beforeAll(() => {
  certificates = makeDtlsCertificates()
  directory = mkdtempSync(join(tmpdir(), 'sallyport-sessions-'))
})
afterAll(() => {
  certificates.remove()
  rmSync(directory, { recursive: true })
})
afterEach(async () => {
  for (const association of associations.splice(0)) association.close()
  await server?.listener.close()
  server = undefined
})

const sealingKey = () => ({ id: randomBytes(8), key: randomBytes(32) })

async function serve(options: Partial<Parameters<typeof startEchoServer>[0]> = {}): Promise<EchoServer> {
  server = await startEchoServer({
    credentials: certificates.credentials('server'),
    sealingKeys: { current: sealingKey() },
    verifyPeer: () => ({ accepted: true, identity: 'device', resumable: Buffer.from('device') }),
    resumePeer: (resumable) => ({ accepted: true, identity: `${Buffer.from(resumable)} again` }),
    ...options,
  })
  return server
}

/** Its session for the next time stands in `sessions`. */
async function connect(
  port: number,
  session: ClientSession | undefined,
  options: Partial<ConnectDtlsOptions<string>> = {},
): Promise<{ association: Association<string>; sessions: (ClientSession | undefined)[] }> {
  const sessions: (ClientSession | undefined)[] = []
  const association = await connectDtls<string>({
    host: '127.0.0.1',
    port,
    credentials: certificates.credentials('device'),
    verifyPeer: async (chain) => ({ accepted: true, identity: `a chain of ${chain.length}` }),
    onData: () => undefined,
    onClosed: () => undefined,
    session,
    onSession: (given) => sessions.push(given),
    ...options,
  })
  associations.push(association)
  return { association, sessions }
}

describe('our client and our listener', () => {
  it('go on with a session without certificates, and both say so', async () => {
    const { port, opened, until, received } = await serve()
    const first = await connect(port, undefined)
    expect(first.association.resumed).toBe(false)
    first.association.close()
    const second = await connect(port, first.sessions[0])
    second.association.send(Buffer.from('hello'))
    await until(() => received.length === 1)
    expect(second.association).toMatchObject({ resumed: true, identity: 'a chain of 1' })
    expect(opened.map(({ resumed, identity }) => [resumed, identity])).toEqual([
      [false, 'device'],
      [true, 'device again'],
    ])
    expect(second.sessions).toEqual([first.sessions[0]])
  })

  it('take a ticket of another process with the same keys, and of none with other keys', async () => {
    const keys = { current: sealingKey() }
    const { port, listener } = await serve({ sealingKeys: keys })
    const { sessions } = await connect(port, undefined)
    await listener.close()
    const successor = await serve()
    expect((await connect(successor.port, sessions[0])).association.resumed).toBe(false)
    successor.listener.setSealingKeys({ current: sealingKey(), previous: keys.current })
    const again = await connect(successor.port, sessions[0])
    expect(again.association.resumed).toBe(true)
    expect(again.sessions[0]?.ticket).not.toEqual(sessions[0]?.ticket)
  })

  it('[F14] a peer that was withdrawn since does not get around it: its session is refused, and then its certificate', async () => {
    const listening = { withdrawn: false, asked: 0 }
    const verdict = (): PeerVerdict<string> =>
      listening.withdrawn
        ? { accepted: false, alert: 'certificate_revoked', code: 'certificate-revoked', detail: 'revoked' }
        : { accepted: true, identity: 'device', resumable: Uint8Array.of(1) }
    const { port, failures, listener } = await serve({
      verifyPeer: verdict,
      resumePeer: () => {
        listening.asked += 1
        return verdict()
      },
    })
    const first = await connect(port, undefined)
    expect((await connect(port, first.sessions[0])).association.resumed).toBe(true)
    listening.withdrawn = true
    const told: (ClientSession | undefined)[] = []
    await expect(
      connect(port, first.sessions[0], { onSession: (session) => told.push(session) }),
    ).rejects.toMatchObject({ details: { alert: 'certificate_revoked' } })
    expect(listening.asked).toBe(2)
    expect(failures.map(({ code }) => code)).toEqual(['certificate-revoked'])
    expect(told).toEqual([undefined])
    expect(listener.counts.halfOpen).toBe(0)
  })

  it('a resumePeer that throws leads to a full handshake', async () => {
    const { port } = await serve({
      resumePeer: () => {
        throw new Error('the books cannot be read')
      },
    })
    const { sessions } = await connect(port, undefined)
    expect((await connect(port, sessions[0])).association.resumed).toBe(false)
  })

  it('without resumePeer the listener gives no sessions', async () => {
    server = await startEchoServer({
      credentials: certificates.credentials('server'),
      sealingKeys: { current: sealingKey() },
    })
    expect((await connect(server.port, undefined)).sessions).toEqual([undefined])
  })

  it('more than 256 bytes to resume a peer by are a mistake that the peer is not told of', async () => {
    const { port, failures } = await serve({
      verifyPeer: () => ({ accepted: true, identity: 'device', resumable: new Uint8Array(257) }),
    })
    await expect(connect(port, undefined)).rejects.toMatchObject({ details: { alert: 'internal_error' } })
    expect(failures.map(({ code }) => code)).toEqual(['internal'])
  })
})

describe('openssl s_client', () => {
  const sClient = (port: number, ...more: string[]): ForeignProgram =>
    startForeign('openssl', [
      's_client',
      '-dtls1_2',
      '-connect',
      `127.0.0.1:${port}`,
      '-cipher',
      'ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0',
      '-cert',
      certificates.file('device.pem'),
      '-key',
      certificates.file('device.key'),
      '-CAfile',
      certificates.file('anchors.pem'),
      '-verify_return_error',
      ...more,
    ])

  for (const [name, ...more] of [['a ticket'], ['a session id', '-no_ticket']] as const) {
    it(`goes on with ${name}: Reused`, async () => {
      const { port, opened, received, until } = await serve()
      const file = join(directory, `${name.replaceAll(' ', '-')}.pem`)
      const first = sClient(port, '-sess_out', file, ...more)
      first.write('one\n')
      await first.says('echo one')
      await first.end()
      expect(first.output).toContain('New, TLSv1.2, Cipher is ECDHE-ECDSA-AES128-CCM8')
      const second = sClient(port, '-sess_in', file, ...more)
      second.write('two\n')
      await second.says('echo two')
      await second.end()
      expect(second.output).toContain('Reused, TLSv1.2, Cipher is ECDHE-ECDSA-AES128-CCM8')
      await until(() => received.length === 2)
      expect(opened.map(({ resumed }) => resumed)).toEqual([false, true])
    })

    it(`handshakes in full with ${name} that a server does not know`, async () => {
      const { port, listener } = await serve()
      const file = join(directory, `stale-${name.replaceAll(' ', '-')}.pem`)
      const first = sClient(port, '-sess_out', file, ...more)
      first.write('one\n')
      await first.says('echo one')
      await first.end()
      await listener.close()
      const successor = await serve()
      const second = sClient(successor.port, '-sess_in', file, ...more)
      second.write('two\n')
      await second.says('echo two')
      await second.end()
      expect(second.output).toContain('New, TLSv1.2')
      expect(successor.opened.map(({ resumed }) => resumed)).toEqual([false])
    })
  }
})

describe('gnutls-cli', () => {
  const gnutls = (port: number, ...more: string[]): ForeignProgram =>
    startForeign('gnutls-cli', [
      '--udp',
      '--port',
      String(port),
      '127.0.0.1',
      '--sni-hostname',
      'localhost',
      '--verify-hostname',
      'localhost',
      '--x509cafile',
      certificates.file('anchors.pem'),
      '--x509certfile',
      certificates.file('device.pem'),
      '--x509keyfile',
      certificates.file('device.p8.key'),
      '--priority',
      'NONE:+VERS-DTLS1.2:+AES-128-CCM-8:+ECDHE-ECDSA:+AEAD:+SIGN-ALL:+GROUP-ALL:+COMP-NULL',
      '--resume',
      ...more,
    ])

  for (const [name, ...more] of [['a ticket'], ['a session id', '--noticket']] as const) {
    it(`goes on with ${name}: a resumed session`, async () => {
      const { port, opened } = await serve()
      const client = gnutls(port, ...more)
      await client.says('This is a resumed session', 20_000)
      client.write('hello\n')
      await client.says('echo hello')
      await client.end()
      expect(opened.map(({ resumed }) => resumed)).toEqual([false, true])
    })
  }
})

describe('openssl s_server', () => {
  const freePort = async (): Promise<number> => {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    const { port } = socket.address()
    await new Promise<void>((resolve) => socket.close(() => resolve()))
    return port
  }

  for (const [name, ...more] of [['a ticket'], ['a session id', '-no_ticket']] as const) {
    it(`goes on with our client by ${name}`, async () => {
      const port = await freePort()
      const program = startForeign('openssl', [
        's_server',
        '-dtls1_2',
        '-accept',
        `127.0.0.1:${port}`,
        '-cert',
        certificates.file('server.pem'),
        '-key',
        certificates.file('server.key'),
        '-CAfile',
        certificates.file('anchors.pem'),
        '-Verify',
        '1',
        ...more,
      ])
      await program.says('ACCEPT')
      const first = await connect(port, undefined)
      first.association.close()
      await program.says('DONE')
      const [session] = first.sessions
      expect((session?.ticket.length ?? 0) > 0).toBe(name === 'a ticket')
      const second = await connect(port, session)
      expect(second.association.resumed).toBe(true)
      second.association.send(Buffer.from('hello from our client\n'))
      await program.says('hello from our client')
      second.association.close()
      const { output } = await program.end()
      expect(output).toContain('Reused session-id')
    })
  }
})
