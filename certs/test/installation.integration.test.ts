/** The ceremony on real SoftHSM tokens, as processes: tokens of this file's own, so that nothing is shared. */

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { validityFor } from '@sallyport/issuer'
import { certificatesFromPem, validatePath } from '@sallyport/pki'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const main = join(import.meta.dirname, '..', 'src', 'main.ts')
const modulePath = '/usr/lib/softhsm/libsofthsm2.so'
const folder = mkdtempSync(join(tmpdir(), 'sallyport-ceremony-'))
const pinFile = join(folder, 'pin')
/** Each token is alone in its directory, as the services see them. */
const environmentOf = (token: 'ca' | 'kek') => ({ ...process.env, SOFTHSM2_CONF: join(folder, `${token}.conf`) })
const environment = environmentOf('ca')
const hubId = '8f0c2a53-5f1e-4d0e-9a3c-0d6f1f2b3c4d'
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const parameters = (home: string, ...more: string[]): string[] => [
  main,
  'installation',
  ...['--home', home, '--module', modulePath],
  ...['--ca-token', 'ca', '--ca-pin-file', pinFile],
  ...more,
]
const hosts = ['--dns', 'localhost', '--ip', '127.0.0.1']

function installation(home: string, ...more: string[]): { status: number | null; output: string; errors: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, parameters(home, ...more), {
    encoding: 'utf8',
    env: environment,
  })
  return { status, output: stdout, errors: stderr }
}

const read = (home: string, ...name: string[]): string => readFileSync(join(home, 'pki', ...name), 'utf8')
const certificates = (home: string, ...name: string[]) => certificatesFromPem(read(home, ...name))

const home = join(folder, 'home')

beforeAll(() => {
  writeFileSync(pinFile, '123456\n', { mode: 0o600 })
  for (const label of ['ca', 'kek'] as const) {
    const env = environmentOf(label)
    mkdirSync(join(folder, label))
    writeFileSync(env.SOFTHSM2_CONF, `directories.tokendir = ${join(folder, label)}\nobjectstore.backend = file\n`)
    const pins = ['--pin', '123456', '--so-pin', '87654321']
    execFileSync('softhsm2-util', ['--init-token', '--free', '--label', label, ...pins], { env })
  }
  const { status, output, errors } = installation(home, ...hosts, '--hub-id', hubId)
  expect({ status, errors }).toEqual({ status: 0, errors: '' })
  expect(JSON.parse(output)).toMatchObject({ hubId })
}, 60_000)

describe('certs installation', () => {
  it('[4.7] makes authorities whose keys are in the token and in no file', () => {
    const entries = JSON.parse(read(home, 'authorities.json')) as Record<
      string,
      { file: string; keyId: string; label: string }
    >
    expect(Object.keys(entries)).toEqual(['installation-root', 'server', 'service', 'identity'])
    const listed = execFileSync(
      'pkcs11-tool',
      [
        '--module',
        modulePath,
        '--token-label',
        'ca',
        '--login',
        '--pin',
        '123456',
        '--list-objects',
        '--type',
        'privkey',
      ],
      { env: environment, encoding: 'utf8' },
    )
    for (const { keyId, label } of Object.values(entries)) {
      expect(listed).toContain(keyId)
      expect(listed).toContain(label)
    }
    expect(listed).toContain('audit-head')
    expect(listed.match(/never extractable/g)).toHaveLength(5)
    const files = readdirSync(join(home, 'pki'), { recursive: true, encoding: 'utf8' })
    expect(files.filter((name) => name.endsWith('.key')).toSorted()).toEqual([
      'dps.key',
      'gateway.key',
      'services/control-plane.key',
      'services/dps.key',
      'services/gateway.key',
    ])
    for (const name of files.filter((path) => path.endsWith('.key'))) {
      expect(statSync(join(home, 'pki', name)).mode & 0o777).toBe(0o600)
    }
  })

  it('writes each authority with its issuers, and the root alone as trust anchor', () => {
    const names = (file: string) => certificates(home, file).map(({ commonName }) => commonName)
    expect(names('installation-root.pem')).toEqual(['Installation Root 8f0c2a53'])
    expect(names('server-ca.pem')).toEqual(['Server CA 8f0c2a53', 'Installation Root 8f0c2a53'])
    expect(names('service-ca.pem')).toEqual(['Service CA 8f0c2a53', 'Installation Root 8f0c2a53'])
    expect(names('identity-ca.pem')).toEqual(['Identity CA 8f0c2a53'])
    expect(read(home, 'trust-anchor.pem')).toBe(read(home, 'installation-root.pem'))
  })

  it('issues to gateway and dps what verifies under the trust anchor, here and with openssl', () => {
    for (const [name, commonName] of [
      ['gateway', `uuid:${hubId}`],
      ['dps', 'localhost'],
    ] as const) {
      const chain = certificates(home, `${name}.pem`)
      expect(chain.map((certificate) => certificate.commonName)).toEqual([commonName, 'Server CA 8f0c2a53'])
      const verdict = validatePath({
        chain,
        anchors: certificates(home, 'trust-anchor.pem'),
        at: validityFor(Date.now(), 1).notBefore,
        purpose: 'server',
      })
      expect(verdict).toMatchObject({ valid: true })
      const file = join(home, 'pki', `${name}.pem`)
      const anchor = join(home, 'pki', 'trust-anchor.pem')
      const trust = ['-CAfile', anchor, '-untrusted', file, '-verify_hostname', 'localhost', '-purpose', 'sslserver']
      expect(execFileSync('openssl', ['verify', '-x509_strict', ...trust, file], { encoding: 'utf8' })).toContain('OK')
    }
  })

  it('names each service in its certificate for mutual TLS', () => {
    for (const name of ['gateway', 'dps', 'control-plane']) {
      const [leaf] = certificates(home, 'services', `${name}.pem`)
      expect(leaf?.extensions.subjectAlternativeNames).toEqual([
        { kind: 'uri', text: `urn:sallyport:service:${name}` },
        { kind: 'dns', text: 'localhost' },
        { kind: 'ip', octets: Uint8Array.of(127, 0, 0, 1) },
      ])
    }
  })

  it('run again, keeps everything; with other names, renews the certificates under the same authorities', () => {
    const before = { root: read(home, 'installation-root.pem'), gateway: read(home, 'gateway.pem') }
    expect(JSON.parse(installation(home, ...hosts).output)).toMatchObject({ hubId, created: [] })
    expect(read(home, 'gateway.pem')).toBe(before.gateway)
    const { output } = installation(home, ...hosts, '--ip', '10.0.0.1')
    expect(JSON.parse(output)).toMatchObject({
      created: ['gateway', 'dps', 'services/gateway', 'services/dps', 'services/control-plane'],
    })
    expect(read(home, 'installation-root.pem')).toBe(before.root)
  })

  it('takes up a ceremony that was cut short, with the keys that the token has', () => {
    const [root] = certificates(home, 'installation-root.pem')
    rmSync(join(home, 'pki', 'identity-ca.pem'))
    const { output } = installation(home, ...hosts, '--ip', '10.0.0.1')
    expect(JSON.parse(output)).toMatchObject({ created: ['identity'] })
    const { identity } = JSON.parse(read(home, 'authorities.json')) as Record<string, { keyId: string }>
    expect(identity?.keyId).toMatch(/^[0-9a-f]{32}$/)
    expect(certificates(home, 'installation-root.pem')[0]?.sha256).toBe(root?.sha256)
  })

  it('lists the authorities last, so that the list says that all else is there', () => {
    const cut = join(folder, 'cut')
    mkdirSync(join(cut, 'pki', 'services', 'gateway.key'), { recursive: true })
    expect(installation(cut, ...hosts).status).not.toBe(0)
    const names = readdirSync(join(cut, 'pki'))
    expect(names).toContain('identity-ca.pem')
    expect(names).not.toContain('authorities.json')
  })

  it('of two at once both end well, with one hub id', async () => {
    const shared = join(folder, 'shared')
    const runs = [1, 2].map(
      () =>
        new Promise<string>((resolve) => {
          const child = spawn(process.execPath, parameters(shared, ...hosts), {
            env: environment,
            stdio: ['ignore', 'pipe', 'inherit'],
          })
          let output = ''
          child.stdout.on('data', (chunk) => {
            output += String(chunk)
          })
          child.on('close', () => resolve(output))
        }),
    )
    const results = (await Promise.all(runs)).map(
      (output) => JSON.parse(output) as { hubId: string; created: string[] },
    )
    expect(results[0]?.hubId).toBe(results[1]?.hubId)
    expect(results.filter(({ created }) => created.length === 0)).toHaveLength(1)
  })

  it('refuses another hub id, a PIN that others can read, a token that is not there, and the loss of a key', () => {
    const other = installation(home, ...hosts, '--hub-id', '11111111-1111-4111-8111-111111111111')
    expect(other).toMatchObject({ status: 1, output: '' })
    expect(other.errors).toMatch(/This installation is hub 8f0c2a53/)
    chmodSync(pinFile, 0o644)
    expect(installation(home, ...hosts).errors).toMatch(/can be read by others/)
    chmodSync(pinFile, 0o600)
    expect(installation(home, ...hosts, '--ca-token', 'none').errors).toMatch(/hsm-unavailable/)
    expect(installation(home).errors).toMatch(/at least one of --dns and --ip/)
    writeFileSync(join(home, 'pki', 'identity-ca.pem'), read(home, 'gateway.pem'))
    const lost = installation(home, ...hosts)
    expect(lost.status).toBe(1)
    expect(lost.errors).toMatch(/does not hold the key of .*identity-ca\.pem/)
  })
})

describe('certs sealing-key', () => {
  const run = () =>
    spawnSync(
      process.execPath,
      [main, 'sealing-key', '--home', home, '--module', modulePath, '--kek-token', 'kek', '--kek-pin-file', pinFile],
      { encoding: 'utf8', env: environmentOf('kek') },
    )

  it('makes a key that is never extractable, once', () => {
    expect(JSON.parse(run().stdout)).toEqual({ label: 'kek-1', generation: 1, created: true })
    expect(JSON.parse(run().stdout)).toEqual({ label: 'kek-1', generation: 1, created: false })
    expect(JSON.parse(read(home, 'sealing-key.json'))).toEqual({ label: 'kek-1', generation: 1 })
    const listed = execFileSync(
      'pkcs11-tool',
      ['--module', modulePath, '--token-label', 'kek', '--login', '--pin', '123456', '--list-objects'],
      { env: environmentOf('kek'), encoding: 'utf8' },
    )
    expect(listed.match(/kek-1/g)).toHaveLength(1)
    expect(listed).toContain('never extractable')
  })
})
