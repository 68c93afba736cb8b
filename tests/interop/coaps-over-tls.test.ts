/**
 * Foreign peers at the dps and at the gateway over TLS (RFC 8323): libcoap on OpenSSL and on GnuTLS, which frame messages
 * themselves, and openssl in both versions with the bytes of two messages. Who is refused hears it by an Abort, and log and
 * metric say why.
 */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { eventually, installationForTest, runProgram, type TestInstallation } from '@sallyport/development'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

type Service = 'dps' | 'gateway'

interface Presented {
  readonly certificate: string
  readonly key: string
}

interface Case {
  readonly name: string
  readonly service: Service
  readonly presented: () => Presented | undefined
  /** The alert that the Abort names, and our code; undefined: served. */
  readonly refused?: readonly [alert: string, reason: string]
}

interface Peer {
  readonly name: string
  connect(service: Service, presented: Presented | undefined): Promise<string>
}

let installation: TestInstallation
let certificates: Readonly<Record<'right' | 'expired' | 'other' | 'identity' | 'deleted', Presented>>

const cases: readonly Case[] = [
  { name: 'the right certificate', service: 'dps', presented: () => certificates.right },
  {
    name: 'no certificate',
    service: 'dps',
    presented: () => undefined,
    refused: ['handshake_failure', 'certificate-missing'],
  },
  {
    name: 'an expired certificate',
    service: 'dps',
    presented: () => certificates.expired,
    refused: ['certificate_expired', 'certificate-expired'],
  },
  {
    name: 'a certificate of another CA',
    service: 'dps',
    presented: () => certificates.other,
    refused: ['unknown_ca', 'certificate-authority-unknown'],
  },
  { name: 'the right certificate', service: 'gateway', presented: () => certificates.identity },
  {
    name: 'a manufacturer certificate',
    service: 'gateway',
    presented: () => certificates.right,
    refused: ['unknown_ca', 'certificate-authority-unknown'],
  },
  {
    name: 'the identity certificate of a deleted device',
    service: 'gateway',
    presented: () => certificates.deleted,
    refused: ['certificate_revoked', 'certificate-revoked'],
  },
]

/** CSM without options, and GET /x.plgd.dev/time (RFC 8323 sections 3.2 and 5.3). */
const messages = Buffer.concat([
  Buffer.of(0x00, 0xe1),
  Buffer.of(0xd0, 0x03, 0x01, 0xba),
  Buffer.from('x.plgd.dev'),
  Buffer.of(0x04),
  Buffer.from('time'),
])

const addressOf = (service: Service) => {
  const { coapsTcp } = installation[service].ready
  if (coapsTcp === undefined) throw new Error(`the ${service} does not serve TLS`)
  return `${coapsTcp.host}:${coapsTcp.port}`
}

const openssl = (version: '1.2' | '1.3'): Peer => ({
  name: `openssl, TLS ${version}`,
  connect: (service, presented) =>
    outputOf(
      'openssl',
      [
        ...['s_client', `-tls${version.replace('.', '_')}`, '-quiet', '-alpn', 'coap', '-connect', addressOf(service)],
        ...['-CAfile', installation.pki.trustAnchor, '-verify_return_error'],
        ...(presented === undefined
          ? []
          : ['-cert_chain', presented.certificate, '-cert', presented.certificate, '-key', presented.key]),
      ],
      messages,
    ),
})

const libcoap = (library: 'openssl' | 'gnutls'): Peer => ({
  name: `libcoap on ${library}`,
  connect: (service, presented) =>
    outputOf(`coap-client-${library}`, [
      ...['-v', '7', '-m', 'get', '-B', '4', '-C', installation.pki.trustAnchor],
      ...(presented === undefined ? [] : ['-c', presented.certificate, '-j', presented.key]),
      `coaps+tcp://${addressOf(service)}/x.plgd.dev/time`,
    ]),
})

const peers: readonly Peer[] = [openssl('1.2'), openssl('1.3'), libcoap('openssl'), libcoap('gnutls')]

/** All that a program prints until it ends; one that was given input is ended after a while, as it waits for more. */
function outputOf(command: string, args: readonly string[], input?: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    const deadline = setTimeout(() => child.kill('SIGKILL'), input === undefined ? 12_000 : 1500)
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (part: Buffer) => {
        output += part.toString('latin1')
      })
    }
    child.stdin.on('error', () => undefined)
    if (input === undefined) child.stdin.end()
    else child.stdin.write(input)
    child.once('error', reject)
    child.once('close', () => {
      clearTimeout(deadline)
      resolve(output)
    })
  })
}

async function refusalsCounted(service: Service, reason: string): Promise<number> {
  const line = (await installation.metricsOf(service))
    .split('\n')
    .find((text) => text.includes('handshakes_total{') && text.includes(`reason="${reason}"`) && text.includes('"tls"'))
  return Number(line?.split(' ').at(-1) ?? 0)
}

/** A device that has provisioned and signed up. */
async function provisioned(): Promise<Presented & { readonly id: string }> {
  const device = await installation.manufactureDevice()
  const state = join(installation.home, 'devices', `${device.id}-state`)
  await runProgram('device', [
    ...['provision', '--dps', installation.dpsUrl, '--trust-anchor', installation.pki.trustAnchor],
    ...['--certificate', device.certificate, '--key', device.key, '--state', state],
  ])
  return { id: device.id, certificate: join(state, 'identity.pem'), key: join(state, 'identity.key') }
}

beforeAll(async () => {
  installation = await installationForTest()
  const { home, manufacturer } = installation
  const out = join(home, 'interop')
  const otherMaker = join(home, 'other-manufacturer')
  await runProgram('certs', ['manufacturer', 'create', '--out', otherMaker, '--name', 'Another Manufacturer'])
  const made = async (ca: string, ...flags: string[]): Promise<Presented> =>
    JSON.parse(await runProgram('certs', ['manufacturer', 'device', '--ca', ca, '--out', out, ...flags])) as Presented
  const deleted = await provisioned()
  const response = await fetch(`${installation.http}/api/v1/devices/${deleted.id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${installation.api.token}` },
  })
  expect(response.status).toBe(204)
  certificates = {
    right: await made(manufacturer.folder),
    expired: await made(manufacturer.folder, '--expired'),
    other: await made(otherMaker),
    identity: await provisioned(),
    deleted,
  }
}, 180_000)

afterAll(() => installation?.stop())

describe.each(peers.map((peer) => ({ peer, name: peer.name })))('$name', ({ peer }) => {
  it.each(cases)('[6.4] [6.6] with $name at the $service', async ({ service, presented, refused }) => {
    if (refused === undefined) {
      const output = await peer.connect(service, presented())
      // 2.05 with the map {"time": …}.
      expect(output, output).toContain(peer.name.startsWith('libcoap') ? '2.05' : 'dtime')
      return
    }
    const [alert, reason] = refused
    const before = await refusalsCounted(service, reason)
    const output = await peer.connect(service, presented())
    expect(output).not.toContain('dtime')
    expect(output).not.toContain('2.05')
    if (peer.name.startsWith('openssl')) expect(output).toContain(alert)
    await eventually(`the metric counts ${reason}`, async () => (await refusalsCounted(service, reason)) > before)
  })
})
