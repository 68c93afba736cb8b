/**
 * Foreign peers at the dps and at the gateway: each with a right certificate, which is served, and with each kind of wrong one,
 * which is refused with the alert of its cause (docs/architecture: handshake alerts) and a reason in log and metric.
 */

import { join } from 'node:path'
import { eventually, installationForTest, noteInterop, runProgram, type TestInstallation } from '@sallyport/development'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ForeignPeer, foreignPeers, nameOf, type Presented, requirePrograms, type Target } from './foreign-peer.ts'

type Service = 'dps' | 'gateway'

interface Refusal {
  readonly alert: string
  /** Our error code, in log and metric. */
  readonly reason: string
}

interface Case {
  readonly name: string
  readonly claims: string
  readonly service: Service
  readonly presented: (certificates: Certificates) => Presented | undefined
  /** Undefined: served. */
  readonly refused?: Refusal
}

interface Certificates {
  readonly right: Presented
  readonly expired: Presented
  readonly notYetValid: Presented
  readonly selfSigned: Presented
  readonly otherManufacturer: Presented
  readonly wrongUsage: Presented
  readonly identity: Presented
  readonly deletedIdentity: Presented
}

const cases: readonly Case[] = [
  { name: 'the right certificate', claims: '[4.4]', service: 'dps', presented: ({ right }) => right },
  {
    name: 'no certificate',
    claims: '[4.4]',
    service: 'dps',
    presented: () => undefined,
    refused: { alert: 'handshake_failure', reason: 'certificate-missing' },
  },
  {
    name: 'an expired certificate',
    claims: '[4.4]',
    service: 'dps',
    presented: ({ expired }) => expired,
    refused: { alert: 'certificate_expired', reason: 'certificate-expired' },
  },
  {
    name: 'a certificate that is not valid yet',
    claims: '[4.4]',
    service: 'dps',
    presented: ({ notYetValid }) => notYetValid,
    refused: { alert: 'certificate_expired', reason: 'certificate-not-yet-valid' },
  },
  {
    name: 'a self-signed certificate',
    claims: '[4.4]',
    service: 'dps',
    presented: ({ selfSigned }) => selfSigned,
    refused: { alert: 'unknown_ca', reason: 'certificate-self-signed' },
  },
  {
    name: 'a certificate of another CA',
    claims: '[4.4]',
    service: 'dps',
    presented: ({ otherManufacturer }) => otherManufacturer,
    refused: { alert: 'unknown_ca', reason: 'certificate-authority-unknown' },
  },
  {
    name: 'a certificate for servers',
    claims: '[4.4]',
    service: 'dps',
    presented: ({ wrongUsage }) => wrongUsage,
    refused: { alert: 'unsupported_certificate', reason: 'certificate-purpose-wrong' },
  },
  { name: 'the right certificate', claims: '[4.12]', service: 'gateway', presented: ({ identity }) => identity },
  {
    name: 'no certificate',
    claims: '[4.12]',
    service: 'gateway',
    presented: () => undefined,
    refused: { alert: 'handshake_failure', reason: 'certificate-missing' },
  },
  {
    name: 'a manufacturer certificate',
    claims: '[4.12]',
    service: 'gateway',
    presented: ({ right }) => right,
    refused: { alert: 'unknown_ca', reason: 'certificate-authority-unknown' },
  },
  {
    name: 'a self-signed certificate',
    claims: '[4.12]',
    service: 'gateway',
    presented: ({ selfSigned }) => selfSigned,
    refused: { alert: 'unknown_ca', reason: 'certificate-self-signed' },
  },
  {
    name: 'the identity certificate of a deleted device',
    claims: '[4.12]',
    service: 'gateway',
    presented: ({ deletedIdentity }) => deletedIdentity,
    refused: { alert: 'certificate_revoked', reason: 'certificate-revoked' },
  },
]

let installation: TestInstallation
let certificates: Certificates

beforeAll(async () => {
  requirePrograms(foreignPeers)
  installation = await installationForTest()
  certificates = await makeCertificates()
}, 180_000)

afterAll(async () => {
  await installation?.stop()
})

describe.each(foreignPeers.map((peer) => ({ peer, name: nameOf(peer) })))('$name', ({ peer }) => {
  it.each(cases)('[5.8] [6.6] $claims with $name at the $service', async (example) => {
    const before = example.refused === undefined ? 0 : await refusalsCounted(example.service, example.refused.reason)
    const result = await peer.connect(targetOf(example.service), example.presented(certificates))
    note(peer, example, result.served ? 'served' : (result.alert ?? 'no alert'))
    if (example.refused === undefined) {
      expect(result.served, result.output).toBe(true)
      return
    }
    const { alert, reason } = example.refused
    expect({ served: result.served, alert: result.alert }, result.output).toEqual({ served: false, alert })
    await eventually(
      `the metric counts ${reason}`,
      async () => (await refusalsCounted(example.service, reason)) > before,
    )
    expect(reasonsLogged(example.service)).toContain(reason)
  })
})

it('[4.4] the reasons of refusals at the dps are stored, counted by network and minute', async () => {
  const reasons = cases.filter(({ service }) => service === 'dps').flatMap(({ refused }) => refused?.reason ?? [])
  const client = new pg.Client({ connectionString: installation.databaseUrl })
  await client.connect()
  try {
    await eventually('all reasons are stored', async () => {
      const stored = await client.query<{ reason: string }>('SELECT DISTINCT reason FROM admission_failure')
      return reasons.every((reason) => stored.rows.some((row) => row.reason === reason))
    })
  } finally {
    await client.end()
  }
})

async function makeCertificates(): Promise<Certificates> {
  const { home, manufacturer } = installation
  const out = join(home, 'interop')
  const other = join(home, 'other-manufacturer')
  await runProgram('certs', ['manufacturer', 'create', '--out', other, '--name', 'Another Manufacturer'])
  const device = async (...flags: string[]): Promise<Presented> => {
    const ca = flags.includes('--ca') ? [] : ['--ca', manufacturer.folder]
    return JSON.parse(await runProgram('certs', ['manufacturer', 'device', ...ca, '--out', out, ...flags])) as Presented
  }
  const deleted = await provisionedIdentity()
  const response = await fetch(`${installation.http}/api/v1/devices/${deleted.id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${installation.api.token}` },
  })
  expect(response.status).toBe(204)
  return {
    right: await device(),
    expired: await device('--expired'),
    notYetValid: await device('--not-yet-valid'),
    selfSigned: await device('--self-signed'),
    otherManufacturer: await device('--ca', other),
    wrongUsage: await device('--eku', 'server'),
    identity: await provisionedIdentity(),
    deletedIdentity: deleted,
  }
}

/** A device that has provisioned and signed up: its identity certificate and key. */
async function provisionedIdentity(): Promise<Presented & { readonly id: string }> {
  const device = await installation.manufactureDevice()
  const state = join(installation.home, 'devices', `${device.id}-state`)
  await runProgram('device', [
    ...['provision', '--dps', installation.dpsUrl, '--trust-anchor', installation.pki.trustAnchor],
    ...['--certificate', device.certificate, '--key', device.key, '--state', state],
  ])
  return { id: device.id, certificate: join(state, 'identity.pem'), key: join(state, 'identity.key') }
}

function targetOf(service: Service): Target {
  const { coaps } = installation[service].ready
  if (coaps === undefined) throw new Error(`the ${service} has no CoAP address`)
  return { ...coaps, trustAnchor: installation.pki.trustAnchor }
}

async function refusalsCounted(service: Service, reason: string): Promise<number> {
  const line = (await installation.metricsOf(service))
    .split('\n')
    .find((text) => text.startsWith(`sallyport_${service}_handshakes_total{`) && text.includes(`reason="${reason}"`))
  return Number(line?.split(' ').at(-1) ?? 0)
}

/**
 * A stranger's refusal is logged the first times in a minute, not each time, for a flood must not fill a disk; that of a device
 * we know is logged with its id.
 */
function reasonsLogged(service: Service): unknown[] {
  return installation
    .logOf(service)
    .filter(({ msg }) => msg === 'handshake failed' || msg === 'device refused')
    .map(({ reason, code }) => reason ?? code)
}

function note(peer: ForeignPeer, { service, name, refused }: Case, result: string): void {
  noteInterop({
    peer: peer.peer,
    version: peer.version(),
    role: 'client',
    suite: peer.suite ?? 'its choice',
    credential: 'P-256',
    met: refused === undefined ? service : `${service}, ${name}`,
    result,
  })
}
