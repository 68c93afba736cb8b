/**
 * A device whose factory gave it an RSA key, with nothing of ours: openssl makes its keys and requests, libcoap speaks for it.
 * Each request is a handshake of its own, as of a device that sleeps in between.
 */

import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, installationForTest, type TestInstallation } from '@sallyport/development'
import { decode, encode, isRecord, type Value, type ValueRecord } from '@sallyport/representation'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { libcoap, openssl, type Presented, requirePrograms } from './foreign-peer.ts'

const ocfCbor = 10000
const suite = 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'

let installation: TestInstallation

beforeAll(async () => {
  requirePrograms([libcoap('openssl'), libcoap('gnutls'), openssl(suite)])
  installation = await installationForTest()
}, 180_000)

afterAll(async () => {
  await installation?.stop()
})

interface Factory {
  readonly folder: string
  readonly id: string
  readonly device: Presented
}

function runOpenssl(folder: string, ...arguments_: string[]): void {
  execFileSync('openssl', arguments_, { cwd: folder, stdio: 'pipe' })
}

/** Its certificate is from the manufacturer that the test installation has enrolled. */
function manufactureWithRsa(bits: number): Factory {
  const id = randomUUID()
  const folder = join(installation.home, `rsa-${id}`)
  mkdirSync(folder)
  const ca = installation.manufacturer.folder
  const key = `rsa:${bits}`
  runOpenssl(
    folder,
    'req',
    '-newkey',
    key,
    '-nodes',
    '-keyout',
    'rsa.key',
    '-out',
    'rsa.csr',
    '-subj',
    `/CN=uuid:${id}`,
  )
  writeFileSync(
    join(folder, 'device.cnf'),
    'basicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\nextendedKeyUsage = clientAuth\nauthorityKeyIdentifier = keyid\n',
  )
  runOpenssl(
    ...([folder, 'x509', '-req', '-in', 'rsa.csr', '-CA', join(ca, 'intermediate.pem')] as const),
    ...['-CAkey', join(ca, 'intermediate.key'), '-days', '30', '-extfile', 'device.cnf', '-out', 'leaf.pem'],
  )
  const chain = readFileSync(join(folder, 'leaf.pem'), 'utf8') + readFileSync(join(ca, 'intermediate.pem'), 'utf8')
  writeFileSync(join(folder, 'device.pem'), chain)
  return { folder, id, device: { certificate: join(folder, 'device.pem'), key: join(folder, 'rsa.key') } }
}

/** By libcoap on `library`. @returns the answer's body; fails when there is none of a success */
function ask(
  library: 'openssl' | 'gnutls',
  folder: string,
  presented: Presented,
  request: { readonly url: string; readonly method: 'get' | 'post'; readonly body?: Value },
): ValueRecord {
  const { url, method, body } = request
  const output = join(folder, `answer-${randomUUID()}`)
  const payload = join(folder, `request-${randomUUID()}`)
  if (body !== undefined) writeFileSync(payload, encode(ocfCbor, body))
  const said = execFileSync(
    `coap-client-${library}`,
    [
      ...['-v', '6', '-m', method, '-B', '10', '-A', String(ocfCbor), '-o', output, '-C', installation.pki.trustAnchor],
      ...['-c', presented.certificate, '-j', presented.key],
      ...(body === undefined ? [] : ['-t', String(ocfCbor), '-f', payload]),
      url,
    ],
    { encoding: 'utf8', stdio: 'pipe', timeout: 20_000 },
  )
  const answer = decode(ocfCbor, readFileSync(output))
  if (!isRecord(answer)) throw new Error(`${method} ${url}: ${said}`)
  return answer
}

describe.each([
  { library: 'openssl', bits: 2048 },
  { library: 'openssl', bits: 4096 },
  { library: 'gnutls', bits: 3072 },
] as const)('a device with an RSA key of $bits bits, by libcoap on $library', ({ library, bits }) => {
  it('[4.4] [4.9] [5.8] is enrolled, gets an identity certificate for a key on P-256, and signs up with it at the gateway', async () => {
    const { folder, id, device } = manufactureWithRsa(bits)
    const dps = (path: string) => `${installation.dpsUrl}${path}`
    const time = ask(library, folder, device, { url: dps('/x.plgd.dev/time'), method: 'get' })
    expect(Math.abs(Date.parse(String(time.time)) - Date.now())).toBeLessThan(10_000)
    const owner = ask(library, folder, device, { url: dps('/api/v1/provisioning/ownership'), method: 'get' })
    expect(Object.keys(owner)).toEqual(['devowneruuid'])
    const cloud = ask(library, folder, device, {
      url: dps('/api/v1/provisioning/cloud-configuration'),
      method: 'post',
      body: { di: id },
    })
    expect(cloud.cis).toBe(installation.gatewayUrl)

    runOpenssl(folder, 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'identity.key')
    runOpenssl(folder, 'req', '-new', '-key', 'identity.key', '-out', 'identity.csr', '-subj', `/CN=uuid:${id}`)
    const credentials = ask(library, folder, device, {
      url: dps('/api/v1/provisioning/credentials'),
      method: 'post',
      body: {
        di: id,
        csr: { encoding: 'oic.sec.encoding.pem', data: readFileSync(join(folder, 'identity.csr'), 'utf8') },
      },
    })
    const given = (credentials.creds as readonly { credusage: string; publicdata: { data: string } }[])
      .filter(({ credusage }) => credusage === 'oic.sec.cred.cert')
      .map(({ publicdata }) => publicdata.data)
    writeFileSync(join(folder, 'identity.pem'), given.join(''))
    const read = execFileSync('openssl', ['x509', '-in', 'identity.pem', '-noout', '-subject', '-pubkey'], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect(read).toContain(`CN = uuid:${id}`)
    expect(read).toContain(
      execFileSync('openssl', ['pkey', '-in', 'identity.key', '-pubout'], { cwd: folder, encoding: 'utf8' }).trim(),
    )
    const identity = { certificate: join(folder, 'identity.pem'), key: join(folder, 'identity.key') }
    const account = ask(library, folder, identity, {
      url: `${installation.gatewayUrl}/oic/sec/account`,
      method: 'post',
      body: { di: id, accesstoken: cloud.at ?? '', authprovider: 'sallyport' },
    })
    expect(String(account.accesstoken).split('.')).toHaveLength(3)
    await eventually('the device is the organization’s', async () => {
      const page = await installation.api.get<{ items: readonly { id: string }[] }>('/api/v1/devices?limit=100')
      return page.items.some((one) => one.id === id)
    })
  })
})

it('[4.4] an RSA key of 1024 bits is refused, with unsupported_certificate and its reason', async () => {
  const { device } = manufactureWithRsa(1024)
  const { coaps } = installation.dps.ready
  if (coaps === undefined) throw new Error('the dps has no CoAP address')
  const target = { ...coaps, trustAnchor: installation.pki.trustAnchor }
  const result = await openssl(suite).connect(target, device)
  expect({ served: result.served, alert: result.alert }, result.output).toEqual({
    served: false,
    alert: 'unsupported_certificate',
  })
  await eventually('the reason is in the log', async () =>
    installation.logOf('dps').some(({ code }) => code === 'certificate-key-unsupported'),
  )
})
