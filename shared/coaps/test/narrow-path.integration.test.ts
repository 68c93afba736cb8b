/** Paths of 256 and 300 bytes: openssl and gnutls with all that their hellos have, in pieces, at our listener. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type DtlsCertificates, makeDtlsCertificates } from './dtls-certificates.ts'
import { type EchoServer, startEchoServer } from './dtls-echo-server.ts'
import { startForeign } from './foreign-program.ts'

let certificates: DtlsCertificates
let echo: EchoServer | undefined

beforeAll(() => {
  certificates = makeDtlsCertificates()
})
afterEach(async () => {
  await echo?.listener.close()
  echo = undefined
})
afterAll(() => certificates?.remove())

const serve = async (mtu: number): Promise<EchoServer> => {
  echo = await startEchoServer({ credentials: certificates.credentials('server-big'), mtu })
  return echo
}

describe('a hello that does not fit the path', () => {
  for (const ciphers of ['ALL:@SECLEVEL=0', 'DEFAULT']) {
    it(`openssl -mtu 256 with the ciphers ${ciphers} connects at the first try`, async () => {
      const { port, opened, received, discarded } = await serve(256)
      const client = startForeign('openssl', [
        ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${port}`, '-mtu', '256', '-cipher', ciphers],
        ...['-cert', certificates.file('device-big.pem'), '-key', certificates.file('device-big.key')],
        ...['-cert_chain', certificates.file('device-big.issuers.pem'), '-CAfile', certificates.file('anchors.pem')],
        ...['-verify_return_error', '-msg'],
      ])
      client.write('hello\n')
      await client.says('echo hello')
      await client.end()
      expect(opened).toHaveLength(1)
      expect(received).toEqual(['hello\n'])
      // The rest of the first hello, which nothing was kept for: so it did come in pieces. The shorter one does with its cookie.
      expect(discarded.includes('hello-fragmented')).toBe(ciphers !== 'DEFAULT')
    })
  }

  it('gnutls-cli --mtu=300 with all its ciphers connects', async () => {
    const { port, opened, received } = await serve(300)
    const client = startForeign('gnutls-cli', [
      ...['--udp', '--port', `${port}`, '127.0.0.1', '--mtu=300', '--sni-hostname', 'localhost'],
      ...['--verify-hostname', 'localhost', '--x509cafile', certificates.file('anchors.pem')],
      ...['--x509certfile', certificates.file('device-big.pem')],
      ...['--x509keyfile', certificates.file('device-big.p8.key')],
    ])
    await client.says('Handshake was completed')
    client.write('hello\n')
    await client.says('echo hello')
    await client.end()
    expect(opened).toHaveLength(1)
    expect(received).toEqual(['hello\n'])
  })
})
