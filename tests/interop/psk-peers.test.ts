/**
 * wolfSSL with a pre-shared key at a listener of ours: of Debian's implementations the only one that speaks a suite of ECDHE_PSK
 * with an AEAD of AES (RFC 8442, of which it has TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256). OpenSSL's clients with TLS_PSK are in
 * `dtls-psk.integration.test.ts`, node-dtls-client in `pre-shared-key.test.ts`.
 */

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DtlsListener, type HandshakeFailure, listenDtls } from '@sallyport/coaps'
import { noteInterop } from '@sallyport/development'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requirePrograms, wolfssl } from './foreign-peer.ts'
import { type MatrixCertificates, makeMatrixCertificates } from './matrix-certificates.ts'
import { peerProgram } from './peer-programs.ts'

const suite = 'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256'
const wolfsslName = 'ECDHE-PSK-AES128-GCM-SHA256'
const peer = wolfssl('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8')
const key = randomBytes(32)
let folder: string
let certificates: MatrixCertificates
let listener: DtlsListener<string>
const opened: { readonly identity: string; readonly cipherSuite: string }[] = []
const failures: HandshakeFailure[] = []

beforeAll(async () => {
  requirePrograms([peer])
  folder = mkdtempSync(join(tmpdir(), 'sallyport-psk-peers-'))
  writeFileSync(join(folder, 'right.key'), key, { mode: 0o600 })
  writeFileSync(join(folder, 'wrong.key'), randomBytes(32), { mode: 0o600 })
  certificates = makeMatrixCertificates()
  listener = await listenDtls<string>({
    host: '127.0.0.1',
    port: 0,
    credentials: certificates.credentials('server'),
    cipherSuites: [suite],
    verifyPeer: () => ({ accepted: false, alert: 'access_denied', code: 'internal', detail: 'it is not asked' }),
    findPsk: async (identity) =>
      Buffer.from(identity).toString() === 'lamp' ? { key, identity: 'the lamp' } : undefined,
    events: {
      opened: ({ identity, cipherSuite }) => opened.push({ identity, cipherSuite }),
      data: (association, plaintext) => association.send(Buffer.concat([Buffer.from('echo '), plaintext])),
      handshakeFailed: (failure) => failures.push(failure),
    },
  })
}, 60_000)

afterAll(async () => {
  await listener?.close()
  certificates?.remove()
  rmSync(folder, { recursive: true, force: true })
})

/** All that it prints, on both streams. */
function connect(identity: string, keyFile: string): Promise<string> {
  const { port } = listener.address
  return new Promise((resolve, reject) => {
    const client = spawn(peerProgram('wolfssl-psk-client'), ['127.0.0.1', String(port), wolfsslName, identity, keyFile])
    let said = ''
    for (const stream of [client.stdout, client.stderr]) {
      stream.on('data', (part: Buffer) => {
        said += part.toString('latin1')
      })
    }
    client.stdin.on('error', () => undefined)
    client.stdin.end('hello')
    const deadline = setTimeout(() => client.kill('SIGKILL'), 20_000)
    client.once('error', reject)
    client.once('close', () => {
      clearTimeout(deadline)
      resolve(said)
    })
  })
}

describe(`[6.5] [6.6] wolfSSL with ${suite} (RFC 5489 section 2)`, () => {
  it('is known by its identity and heard, and with a wrong key or identity it is refused alike', async () => {
    const said = await connect('lamp', join(folder, 'right.key'))
    noteInterop({
      ...{ peer: peer.peer, version: peer.version(), role: 'client', suite, credential: 'pre-shared key' },
      ...{ met: 'listener', result: said.includes('echo hello') ? 'served' : 'not served' },
    })
    expect(said).toContain('echo hello')
    expect(opened).toEqual([{ identity: 'the lamp', cipherSuite: suite }])
    const alerts = await Promise.all([
      connect('lamp', join(folder, 'wrong.key')),
      connect('nobody', join(folder, 'right.key')),
    ])
    expect(alerts.map((text) => /alert (\d+)/.exec(text)?.[1])).toEqual(['51', '51'])
    expect(failures.map(({ code }) => code).sort()).toEqual(['psk-identity-unknown', 'psk-wrong'])
    expect(opened).toHaveLength(1)
  })
})
