/** Our DTLS server against openssl s_client and gnutls-cli over real sockets. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type DtlsCertificates, type LeafName, makeDtlsCertificates } from './dtls-certificates.ts'
import { type EchoServer, startEchoServer } from './dtls-echo-server.ts'
import { type ForeignProgram, startForeign } from './foreign-program.ts'

let certificates: DtlsCertificates
let server: EchoServer | undefined

beforeAll(() => {
  certificates = makeDtlsCertificates()
})
afterAll(() => certificates.remove())
afterEach(async () => {
  await server?.listener.close()
  server = undefined
})

async function serve(
  leaf: LeafName = 'server',
  options: Partial<Parameters<typeof startEchoServer>[0]> = {},
): Promise<EchoServer> {
  server = await startEchoServer({ credentials: certificates.credentials(leaf), ...options })
  return server
}

function sClient(port: number, device: LeafName | undefined, cipher: string, ...more: string[]): ForeignProgram {
  const own =
    device === undefined
      ? []
      : ['-cert', certificates.file(`${device}.pem`), '-key', certificates.file(`${device}.key`)]
  const chain = device === 'device-big' ? ['-cert_chain', certificates.file('device-big.issuers.pem')] : []
  return startForeign('openssl', [
    's_client',
    '-dtls1_2',
    '-connect',
    `127.0.0.1:${port}`,
    '-cipher',
    `${cipher}:@SECLEVEL=0`,
    '-CAfile',
    certificates.file('anchors.pem'),
    '-verify_return_error',
    ...own,
    ...chain,
    ...more,
  ])
}

const openSslNames = {
  'ECDHE-ECDSA-AES128-GCM-SHA256': 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-CCM8': 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
  'ECDHE-ECDSA-AES128-CCM': 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM',
  'ECDHE-ECDSA-AES256-GCM-SHA384': 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
} as const

async function expectEcho(client: ForeignProgram): Promise<void> {
  client.write('hello\n')
  await client.says('echo hello')
  await client.end()
}

describe('openssl s_client', () => {
  for (const [cipher, name] of Object.entries(openSslNames)) {
    it(`shakes hands with its certificate over ${cipher}, is heard and says good-bye`, async () => {
      const { port, opened, received, until, closed } = await serve()
      const client = sClient(port, 'device', cipher)
      await expectEcho(client)
      await until(() => closed.length === 1)
      expect(opened.map(({ cipherSuite }) => cipherSuite)).toEqual([name])
      expect(received).toEqual(['hello\n'])
      expect(closed).toEqual(['close-notify'])
      expect(client.output).toContain('Verify return code: 0 (ok)')
      expect(client.output).toContain('Extended master secret: yes')
      expect(client.output).toContain('Secure Renegotiation IS supported')
    })
  }

  it('our order of suites counts, not its: GCM is chosen before CCM_8', async () => {
    const { port, opened } = await serve()
    await expectEcho(sClient(port, 'device', 'ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-GCM-SHA256'))
    expect(opened[0]?.cipherSuite).toBe('TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256')
  })

  it('and the order can be configured', async () => {
    const { port, opened } = await serve('server', {
      cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'],
    })
    await expectEcho(sClient(port, 'device', 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-CCM8'))
    expect(opened[0]?.cipherSuite).toBe('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8')
  })

  for (const [group, name] of [
    ['P-256', 'secp256r1'],
    ['P-384', 'secp384r1'],
    ['X25519', 'x25519'],
  ] as const) {
    it(`agrees in ${group}`, async () => {
      const { port } = await serve('server', { groups: [name, 'secp256r1'] })
      const client = sClient(
        port,
        'device',
        'ECDHE-ECDSA-AES128-CCM8',
        '-groups',
        [...new Set(['P-256', group])].join(':'),
      )
      await expectEcho(client)
      expect(client.output).toContain(`Server Temp Key: ${group === 'X25519' ? 'X25519' : 'ECDH'}`)
      expect(client.output).toContain(group === 'P-384' ? '384 bits' : group === 'P-256' ? '256 bits' : '253 bits')
    })
  }

  it("a client that does not take our certificate's curve is refused, not sent it all the same", async () => {
    const { port, failures, until } = await serve('server')
    await sClient(port, 'device-p384', 'ECDHE-ECDSA-AES128-CCM8', '-groups', 'P-384').end()
    await until(() => failures.length === 1)
    expect(failures[0]).toMatchObject({ alert: 'handshake_failure', detail: expect.stringContaining('P-256') })
  })

  for (const leaf of ['server', 'server-p384'] as const) {
    it(`a client with a P-384 key is verified by a ${leaf}`, async () => {
      const { port } = await serve(leaf)
      const client = sClient(port, 'device-p384', 'ECDHE-ECDSA-AES128-GCM-SHA256')
      await expectEcho(client)
      expect(client.output).toMatch(leaf === 'server' ? /Peer signing digest: SHA256/ : /Peer signing digest: SHA384/)
    })
  }

  it('a client that takes only SHA-384 signatures gets one from a P-256 key', async () => {
    const { port } = await serve()
    const client = sClient(port, 'device', 'ECDHE-ECDSA-AES128-GCM-SHA256', '-sigalgs', 'ECDSA+SHA384')
    await expectEcho(client)
    expect(client.output).toContain('Peer signing digest: SHA384')
  })

  it('[4.4] without a certificate it is refused with handshake_failure, and the reason is recorded', async () => {
    const { port, failures, opened, until } = await serve()
    const client = sClient(port, undefined, 'ECDHE-ECDSA-AES128-CCM8')
    await client.says(/alert handshake failure/i)
    await client.end()
    await until(() => failures.length === 1)
    expect(failures[0]).toMatchObject({ code: 'certificate-missing', alert: 'handshake_failure', direction: 'sent' })
    expect(opened).toEqual([])
  })

  for (const [key, leaf, more] of [
    ['Ed25519', 'device-ed25519', []],
    ['RSA with PSS', 'device-rsa', ['-sigalgs', 'ECDSA+SHA256:rsa_pss_rsae_sha256']],
    ['RSA with PKCS#1', 'device-rsa', ['-sigalgs', 'ECDSA+SHA256:rsa_pkcs1_sha384']],
  ] as const) {
    it(`proves a certificate with a key of ${key}, and is heard`, async () => {
      const { port, opened } = await serve()
      await expectEcho(sClient(port, leaf, 'ECDHE-ECDSA-AES128-CCM8', ...more))
      expect(opened).toHaveLength(1)
    })
  }

  it('with an RSA key of 1024 bits it is refused with unsupported_certificate', async () => {
    const { port, failures, until } = await serve()
    const client = sClient(port, 'device-rsa-1024', 'ECDHE-ECDSA-AES128-CCM8')
    await client.says(/alert unsupported certificate/i)
    await client.end()
    await until(() => failures.length === 1)
    expect(failures[0]).toMatchObject({ code: 'certificate-key-unsupported', alert: 'unsupported_certificate' })
  })

  it('what verifyPeer refuses is told with the alert it names', async () => {
    for (const [alert, words] of [
      ['certificate_expired', 'certificate expired'],
      ['unknown_ca', 'unknown ca'],
      ['access_denied', 'access denied'],
      ['bad_certificate', 'bad certificate'],
      ['certificate_revoked', 'certificate revoked'],
    ] as const) {
      const { port, failures, until } = await serve('server', {
        verifyPeer: async () => ({ accepted: false, alert, code: 'certificate-expired', detail: 'as the test says' }),
      })
      const client = sClient(port, 'device', 'ECDHE-ECDSA-AES128-CCM8')
      await client.says(new RegExp(`alert ${words}`, 'i'))
      await client.end()
      await until(() => failures.length === 1)
      expect(failures[0]).toMatchObject({
        alert,
        code: 'certificate-expired',
        direction: 'sent',
        detail: 'as the test says',
      })
      expect(failures[0]?.chain?.[0]).toEqual(certificates.credentials('device').chain[0])
      await server?.listener.close()
    }
  })

  it('a verifyPeer that throws refuses with internal_error and harms nobody else', async () => {
    let calls = 0
    const { port, failures, until } = await serve('server', {
      verifyPeer: async () => {
        calls += 1
        if (calls === 1) throw new Error('the database is gone')
        return { accepted: true, identity: 'later' }
      },
    })
    await sClient(port, 'device', 'ECDHE-ECDSA-AES128-CCM8').end()
    await until(() => failures.length === 1)
    expect(failures[0]).toMatchObject({ alert: 'internal_error', code: 'internal' })
    await expectEcho(sClient(port, 'device', 'ECDHE-ECDSA-AES128-CCM8'))
  })

  it('a slow verdict keeps the handshake waiting, not failing', async () => {
    const { port } = await serve('server', {
      verifyPeer: () => new Promise((resolve) => setTimeout(() => resolve({ accepted: true, identity: 'slow' }), 2500)),
    })
    await expectEcho(sClient(port, 'device', 'ECDHE-ECDSA-AES128-CCM8'))
  })

  it('without a suite in common it is refused with handshake_failure', async () => {
    const { port, failures, until } = await serve()
    const client = sClient(port, 'device', 'ECDHE-ECDSA-AES128-SHA256')
    await client.says(/alert handshake failure/i)
    await client.end()
    await until(() => failures.length === 1)
  })

  for (const [device, leaf] of [
    ['device', 'server'],
    ['device-big', 'server-big'],
  ] as const) {
    it(`${device} meets ${leaf} over an MTU of 296 both ways, chains in fragments`, async () => {
      const { port, opened } = await serve(leaf, { mtu: 268 })
      // openssl counts the IP and UDP headers into its MTU.
      const client = sClient(port, device, 'ECDHE-ECDSA-AES128-CCM8', '-mtu', '296', '-no_ticket')
      await expectEcho(client)
      expect(client.output).toContain('Verify return code: 0 (ok)')
      // For a device without issuers openssl adds the root that it knows.
      expect(opened[0]?.identity).toBe('a chain of 2')
    })
  }

  it('a request to renegotiate is refused and the association stays', async () => {
    const { port, received, until } = await serve()
    const client = sClient(port, 'device', 'ECDHE-ECDSA-AES128-CCM8')
    client.write('before\n')
    await client.says('echo before')
    client.write('R\n')
    await client.says(/RENEGOTIATING|no renegotiation/i)
    await client.end()
    await until(() => received.length >= 1)
    expect(server?.opened).toHaveLength(1)
  })

  it('the server that closes says good-bye to every client', async () => {
    const { port, listener, closed } = await serve()
    const client = sClient(port, 'device', 'ECDHE-ECDSA-AES128-CCM8')
    client.write('hello\n')
    await client.says('echo hello')
    await listener.close()
    await client.says(/closed|DONE|read:errno/)
    await client.end()
    expect(closed).toEqual(['shutdown'])
  })
})

describe('gnutls-cli', () => {
  const gnutls = (port: number, suite: string, device: LeafName | undefined, ...more: string[]): ForeignProgram =>
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
      '--priority',
      `NONE:+VERS-DTLS1.2:+${suite}:+ECDHE-ECDSA:+AEAD:+SIGN-ALL:+GROUP-ALL:+COMP-NULL`,
      ...(device === undefined
        ? []
        : [
            '--x509certfile',
            certificates.file(`${device}.pem`),
            '--x509keyfile',
            certificates.file(`${device}.p8.key`),
          ]),
      ...more,
    ])

  for (const suite of ['AES-128-CCM-8', 'AES-128-GCM']) {
    it(`shakes hands with its certificate over ${suite} and is heard`, async () => {
      const { port, opened } = await serve()
      const client = gnutls(port, suite, 'device')
      await client.says('Handshake was completed')
      await expectEcho(client)
      expect(client.output).toContain('Status: The certificate is trusted')
      expect(opened).toHaveLength(1)
    })
  }

  it('fragments its chain over a small MTU, and takes ours in fragments', async () => {
    const { port, opened } = await serve('server-big', { mtu: 272 })
    const client = gnutls(port, 'AES-128-CCM-8', 'device-big', '--mtu=300')
    await client.says('Handshake was completed')
    await expectEcho(client)
    expect(opened[0]?.identity).toBe('a chain of 2')
  })

  it('[4.4] without a certificate it is refused', async () => {
    const { port, failures, until } = await serve()
    const client = gnutls(port, 'AES-128-CCM-8', undefined)
    await client.says(/alert.*handshake failed/i)
    await client.end()
    await until(() => failures.length === 1)
    expect(failures[0]?.code).toBe('certificate-missing')
  })
})
