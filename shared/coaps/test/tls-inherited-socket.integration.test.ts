/** A TCP socket that was bound and is listened on before the server starts, as systemd hands it over. */

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectCoaps } from '../src/index.ts'
import { certificatesFromOpenssl, type TestCertificates } from './certificates-from-openssl.ts'

let certificates: TestCertificates
beforeAll(() => {
  certificates = certificatesFromOpenssl()
})
afterAll(() => certificates?.remove())

/** Binds descriptor 3 and becomes what it is told. Perl is part of every Debian. */
const binder = `
  $^F = 3;
  socket(my $s, PF_INET, SOCK_STREAM, 0) or die;
  bind($s, pack_sockaddr_in(0, inet_aton("127.0.0.1"))) or die;
  listen($s, 16) or die;
  dup2(fileno($s), 3) or die;
  exec @ARGV`

it('[6.4] the server takes an inherited socket, and says its port', async () => {
  const program = fileURLToPath(new URL('./streaming-server.ts', import.meta.url))
  const server = spawn('perl', ['-MSocket', '-MPOSIX=dup2', '-e', binder, process.execPath, program, '2000', '3'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const first = await createInterface({ input: server.stdout })[Symbol.asyncIterator]().next()
  const { tls } = JSON.parse(first.value ?? '{}') as { tls: number }
  const device = await connectCoaps<string>({
    transport: 'tls',
    host: '127.0.0.1',
    port: tls,
    credentials: certificates.device,
    verifyPeer: () => ({ accepted: true, identity: 'server' }),
  })
  expect((await device.request({ method: 'GET', path: '/file' })).payload).toHaveLength(2000)
  await device.close()
  server.stdin.end()
  await new Promise((resolve) => server.once('exit', resolve))
})
