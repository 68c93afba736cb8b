/** Pre-shared keys over real sockets: our client and foreign ones against our listener. */

import { afterEach, describe, expect, it } from 'vitest'
import { connectDtls } from '../src/dtls-connection.ts'
import type { ListenDtlsOptions } from '../src/dtls-listener.ts'
import type { FindPsk } from '../src/psk-lookup.ts'
import { makeDtlsCertificates } from './dtls-certificates.ts'
import { type EchoServer, startEchoServer } from './dtls-echo-server.ts'
import { type ForeignProgram, startForeign } from './foreign-program.ts'

const certificates = makeDtlsCertificates()
const key = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
const wrongKey = Buffer.from('ff0102030405060708090a0b0c0d0e0f', 'hex')

const findPsk: FindPsk<string> = async (identity) =>
  Buffer.from(identity).toString() === 'lamp' ? { key, identity: 'the lamp' } : undefined

let server: EchoServer | undefined

afterEach(async () => {
  await server?.listener.close()
  server = undefined
})

async function serve(options: Partial<ListenDtlsOptions<string>> = {}): Promise<EchoServer> {
  server = await startEchoServer({ credentials: certificates.credentials('server'), findPsk, ...options })
  return server
}

async function expectEcho(client: ForeignProgram): Promise<void> {
  client.write('hello\n')
  await client.says('echo hello')
  await client.end()
}

describe('our client with a pre-shared key (RFC 7252 section 9.1.3)', () => {
  for (const suite of [
    'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',
    'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256',
    'TLS_PSK_WITH_AES_128_GCM_SHA256',
    'TLS_PSK_WITH_AES_128_CCM_8',
  ] as const) {
    it(`is known by its identity and heard, with ${suite}`, async () => {
      const { port, opened, until } = await serve()
      const heard: string[] = []
      const association = await connectDtls<string>({
        ...{ host: '127.0.0.1', port, cipherSuites: [suite], connectionId: true },
        psk: { identity: Buffer.from('lamp'), key, server: 'the server' },
        verifyPeer: () => ({ accepted: false, alert: 'access_denied', code: 'internal', detail: 'it is not asked' }),
        onData: (plaintext) => heard.push(Buffer.from(plaintext).toString()),
        onClosed: () => undefined,
      })
      expect(association.identity).toBe('the server')
      expect(association.cipherSuite).toBe(suite)
      association.send(Buffer.from('hello'))
      await until(() => heard.length === 1)
      expect(heard).toEqual(['echo hello'])
      expect(opened.map((one) => one.identity)).toEqual(['the lamp'])
      association.close()
    })
  }

  it('[6.5] is refused with the same alert for a wrong key, an unknown identity and a revoked one; the listener knows which', async () => {
    const { port, failures, opened, until } = await serve({
      findPsk: async (identity, peer) =>
        Buffer.from(identity).toString() === 'gone'
          ? { refused: 'psk-revoked', detail: 'revoked on Monday' }
          : findPsk(identity, peer),
    })
    for (const [identity, with_] of [
      ['lamp', wrongKey],
      ['nobody', key],
      ['gone', key],
    ] as const) {
      const attempt = connectDtls<string>({
        ...{ host: '127.0.0.1', port },
        psk: { identity: Buffer.from(identity), key: with_, server: 'the server' },
        verifyPeer: () => ({ accepted: true, identity: 'not asked' }),
        onData: () => undefined,
        onClosed: () => undefined,
      })
      await expect(attempt).rejects.toMatchObject({
        code: 'handshake-failed',
        details: { alert: 'decrypt_error', direction: 'received' },
      })
    }
    await until(() => failures.length === 3)
    expect(failures.map(({ code, alert }) => [code, alert])).toEqual([
      ['psk-wrong', 'decrypt_error'],
      ['psk-identity-unknown', 'decrypt_error'],
      ['psk-revoked', 'decrypt_error'],
    ])
    expect(failures.map(({ pskIdentity }) => Buffer.from(pskIdentity ?? []).toString())).toEqual([
      'lamp',
      'nobody',
      'gone',
    ])
    expect(opened).toEqual([])
    expect(JSON.stringify(failures)).not.toContain(key.toString('hex'))
  })

  it('a look-up that throws, or finds a key of 15 bytes, refuses with internal_error', async () => {
    for (const broken of [
      async () => {
        throw new Error('the store is gone')
      },
      async () => ({ key: key.subarray(1), identity: 'the lamp' }),
    ] satisfies FindPsk<string>[]) {
      const { port, failures, until, listener } = await serve({ findPsk: broken })
      await startForeign('openssl', sClient(port, 'PSK-AES128-CCM8')).end()
      await until(() => failures.length === 1)
      expect(failures[0]).toMatchObject({ alert: 'internal_error', code: 'internal' })
      await listener.close()
    }
  })
})

const sClient = (port: number, cipher: string, identity = 'lamp', psk = key): string[] => [
  ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${port}`, '-cipher', `${cipher}:@SECLEVEL=0`],
  ...['-psk_identity', identity, '-psk', psk.toString('hex')],
]

describe('[5.8] openssl s_client with a pre-shared key', () => {
  for (const [cipher, name] of [
    ['PSK-AES128-CCM8', 'TLS_PSK_WITH_AES_128_CCM_8'],
    ['PSK-AES128-GCM-SHA256', 'TLS_PSK_WITH_AES_128_GCM_SHA256'],
  ] as const) {
    it(`shakes hands over ${cipher}, is heard and says good-bye`, async () => {
      const { port, opened, closed, until } = await serve()
      await expectEcho(startForeign('openssl', sClient(port, cipher)))
      await until(() => closed.length === 1)
      expect(opened.map(({ cipherSuite, identity }) => [cipherSuite, identity])).toEqual([[name, 'the lamp']])
      expect(closed).toEqual(['close-notify'])
    })
  }

  it('[6.5] is told decrypt_error, for a wrong key as for an unknown identity', async () => {
    const { port, failures, until } = await serve()
    for (const args of [
      sClient(port, 'PSK-AES128-CCM8', 'lamp', wrongKey),
      sClient(port, 'PSK-AES128-CCM8', 'nobody', key),
    ]) {
      const client = startForeign('openssl', args)
      await client.says(/alert decrypt error/i)
      await client.end()
    }
    await until(() => failures.length === 2)
  })

  it('and a client with a certificate beside it is still served with the certificate', async () => {
    const { port, opened } = await serve()
    const client = startForeign('openssl', [
      ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${port}`, '-cipher', 'ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0'],
      ...['-cert', certificates.file('device.pem'), '-key', certificates.file('device.key')],
    ])
    await expectEcho(client)
    expect(opened[0]?.cipherSuite).toBe('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8')
  })
})

describe('[5.8] gnutls-cli with a pre-shared key', () => {
  for (const [cipher, name] of [
    ['AES-128-CCM-8', 'TLS_PSK_WITH_AES_128_CCM_8'],
    ['AES-128-GCM', 'TLS_PSK_WITH_AES_128_GCM_SHA256'],
  ] as const) {
    it(`shakes hands over ${cipher} and is heard`, async () => {
      const { port, opened } = await serve()
      const client = startForeign('gnutls-cli', [
        ...['--udp', '--port', String(port), '127.0.0.1', '--pskusername', 'lamp', '--pskkey', key.toString('hex')],
        ...['--priority', `NONE:+VERS-DTLS1.2:+${cipher}:+PSK:+AEAD:+SIGN-ALL:+GROUP-ALL:+COMP-NULL`],
      ])
      await client.says('Handshake was completed')
      await expectEcho(client)
      expect(opened.map(({ cipherSuite }) => cipherSuite)).toEqual([name])
    })
  }
})
