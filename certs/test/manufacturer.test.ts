import { spawnSync } from 'node:child_process'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { validityFor } from '@sallyport/issuer'
import { certificatesFromPem, type PathInput, validatePath } from '@sallyport/pki'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

// Each test starts processes, which take long on a busy machine.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const main = join(import.meta.dirname, '..', 'src', 'main.ts')
const folder = mkdtempSync(join(tmpdir(), 'sallyport-certs-'))
const ca = join(folder, 'ca')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function certs(...parameters: string[]): { status: number | null; output: string; errors: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...parameters], { encoding: 'utf8' })
  return { status, output: stdout, errors: stderr }
}

interface Device {
  id: string
  certificate: string
  key: string
}
function issue(...parameters: string[]): Device[] {
  const { status, output, errors } = certs(
    'manufacturer',
    'device',
    '--ca',
    ca,
    '--out',
    join(folder, 'devices'),
    ...parameters,
  )
  expect({ status, errors }).toEqual({ status: 0, errors: '' })
  return output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Device)
}
function issueOne(...parameters: string[]): Device {
  const [device] = issue(...parameters)
  if (device === undefined) throw new Error('no device was printed')
  return device
}

/** Behind by an hour, as a device's clock may be. */
const now = (): PathInput['at'] => validityFor(Date.now() - 3_600_000, 1).notBefore

function judge(device: Device): string {
  const verdict = validatePath({
    chain: certificatesFromPem(readFileSync(device.certificate, 'utf8')),
    anchors: certificatesFromPem(readFileSync(join(ca, 'root.pem'), 'utf8')),
    at: now(),
    purpose: 'manufacturer-device',
  })
  return verdict.valid ? 'accepted' : verdict.code
}

beforeAll(() => {
  expect(certs('manufacturer', 'create', '--out', ca, '--name', 'Acme').status).toBe(0)
})

describe('certs manufacturer create', () => {
  it('[4.1] makes root and intermediate on P-256, with keys that only their owner can read', () => {
    expect(readdirSync(ca).toSorted()).toEqual([
      'chain.pem',
      'intermediate.key',
      'intermediate.pem',
      'root.key',
      'root.pem',
    ])
    const chain = certificatesFromPem(readFileSync(join(ca, 'chain.pem'), 'utf8'))
    expect(chain.map(({ subject, keyType, isCa }) => ({ subject, keyType, isCa }))).toEqual([
      { subject: 'CN=Acme Device CA,O=Acme', keyType: 'P-256', isCa: true },
      { subject: 'CN=Acme Root CA,O=Acme', keyType: 'P-256', isCa: true },
    ])
    for (const name of ['root.key', 'intermediate.key']) expect(statSync(join(ca, name)).mode & 0o777).toBe(0o600)
  })

  it('[4.1] keeps what is there, and refuses a folder that holds a part', () => {
    const before = readFileSync(join(ca, 'root.pem'), 'utf8')
    const { output } = certs('manufacturer', 'create', '--out', ca, '--name', 'Other')
    expect(JSON.parse(output)).toMatchObject({ created: false, chain: join(ca, 'chain.pem') })
    expect(readFileSync(join(ca, 'root.pem'), 'utf8')).toBe(before)
    const part = join(folder, 'part')
    certs('manufacturer', 'create', '--out', part, '--name', 'Acme')
    rmSync(join(part, 'root.key'))
    const refusal = certs('manufacturer', 'create', '--out', part, '--name', 'Acme')
    expect(refusal.status).toBe(1)
    expect(refusal.errors).toMatch(/holds a part of a manufacturer PKI/)
  })
})

describe('certs manufacturer device', () => {
  it('[4.1] issues a certificate that we and openssl accept, with its key and the intermediate beside it', () => {
    const device = issueOne()
    const [leaf, intermediate] = certificatesFromPem(readFileSync(device.certificate, 'utf8'))
    expect(leaf).toMatchObject({ commonName: `uuid:${device.id}`, keyType: 'P-256' })
    expect(intermediate?.commonName).toBe('Acme Device CA')
    const key = createPublicKey(createPrivateKey(readFileSync(device.key))).export({ format: 'der', type: 'spki' })
    expect(leaf?.spki).toEqual(new Uint8Array(key))
    expect(statSync(device.key).mode & 0o777).toBe(0o600)
    expect(judge(device)).toBe('accepted')
    const files = ['-CAfile', join(ca, 'root.pem'), '-untrusted', device.certificate, device.certificate]
    const verified = spawnSync('openssl', ['verify', '-x509_strict', '-purpose', 'sslclient', ...files], {
      encoding: 'utf8',
    })
    expect(verified.stdout).toContain('OK')
  })

  it('[4.1] issues to 500 devices within 10 s, each with an id, a key and a serial number of its own', () => {
    const started = performance.now()
    const devices = issue('--count', '500')
    expect(performance.now() - started).toBeLessThan(10_000)
    const leaves = devices.map(({ certificate }) => certificatesFromPem(readFileSync(certificate, 'utf8'))[0])
    expect(new Set(devices.map(({ id }) => id)).size).toBe(500)
    expect(new Set(leaves.map((leaf) => leaf?.spkiSha256)).size).toBe(500)
    expect(new Set(leaves.map((leaf) => leaf?.serialNumber)).size).toBe(500)
  })

  it('[4.1] issues once to one id, and returns that', () => {
    const id = '8F0C2A53-5F1E-4D0E-9A3C-0D6F1F2B3C4D'
    const first = issueOne('--id', id)
    const before = readFileSync(first.certificate, 'utf8')
    expect(first.id).toBe(id.toLowerCase())
    expect(issueOne('--id', id)).toEqual(first)
    expect(readFileSync(first.certificate, 'utf8')).toBe(before)
  })

  it.each([
    [['--expired'], 'certificate-expired'],
    [['--not-yet-valid'], 'certificate-not-yet-valid'],
    [['--eku', 'server'], 'certificate-purpose-wrong'],
    [['--self-signed'], 'certificate-self-signed'],
  ])('[4.4] with %j makes one that is refused as %s', (flags, code) => {
    expect(judge(issueOne(...flags))).toBe(code)
  })

  it('says in one line what is wrong with a command', () => {
    const cases: [string[], RegExp][] = [
      [['manufacturer', 'device', '--ca', ca], /required option '--out/],
      [
        ['manufacturer', 'device', '--ca', join(folder, 'none'), '--out', folder],
        /cannot be read from .*intermediate\.pem/,
      ],
      [['manufacturer', 'device', '--ca', ca, '--out', folder, '--id', 'lamp'], /"lamp" is no device id/],
      [['manufacturer', 'device', '--ca', ca, '--out', folder, '--count', '0'], /whole number/],
      [['manufacturer', 'device', '--ca', ca, '--out', folder, '--eku', 'client'], /Only `server`/],
      [['manufacturer', 'device', '--ca', ca, '--out', folder, '--days', '99999'], /longer than/],
    ]
    for (const [parameters, message] of cases) {
      const { status, errors } = certs(...parameters)
      expect(status, parameters.join(' ')).toBe(1)
      expect(errors).toMatch(message)
      expect(errors).not.toMatch(/ {4}at /)
    }
  })

  it('refuses a key file that holds no key', () => {
    const broken = join(folder, 'broken')
    certs('manufacturer', 'create', '--out', broken, '--name', 'Acme')
    writeFileSync(join(broken, 'intermediate.key'), 'nothing')
    const { status, errors } = certs('manufacturer', 'device', '--ca', broken, '--out', folder)
    expect(status).toBe(1)
    expect(errors).toMatch(/holds no private key/)
  })

  it('shows examples in its help', () => {
    const { output } = certs('manufacturer', 'device', '--help')
    expect(output).toContain('certs manufacturer device --ca .dev/manufacturer --out .dev/fleet --count 500')
  })
})
