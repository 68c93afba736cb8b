/** A CA, a server and a device, made by the openssl command in a folder of their own. */

import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DtlsCredentials } from '../src/index.ts'

export interface TestCertificates {
  readonly folder: string
  readonly server: DtlsCredentials
  readonly device: DtlsCredentials
  file(name: 'ca.pem' | 'server.pem' | 'device.pem' | 'device.key' | 'device.p8.key'): string
  remove(): void
}

export function certificatesFromOpenssl(): TestCertificates {
  const folder = mkdtempSync(join(tmpdir(), 'coaps-test-'))
  const openssl = (...words: readonly string[]) => execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' })
  const newKey = (name: string) => openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)
  newKey('ca')
  openssl('req', '-x509', '-new', '-key', 'ca.key', '-subj', '/CN=Test CA', '-days', '2', '-out', 'ca.pem')
  for (const [name, subject, extensions] of [
    ['server', '/CN=localhost', 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth'],
    ['device', '/CN=uuid:6f1c0bd4-4b35-4c7f-9a3e-2a4b7c1d0e55', 'extendedKeyUsage=clientAuth,serverAuth'],
  ] as const) {
    newKey(name)
    openssl('pkcs8', '-topk8', '-nocrypt', '-in', `${name}.key`, '-out', `${name}.p8.key`)
    openssl('req', '-new', '-key', `${name}.key`, '-subj', subject, '-out', `${name}.csr`)
    writeFileSync(join(folder, 'extensions'), `keyUsage=digitalSignature\n${extensions}\n`)
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      'extensions',
      '-out',
      `${name}.pem`,
    )
  }
  const credentials = (name: string): DtlsCredentials => ({
    chain: [openssl('x509', '-in', `${name}.pem`, '-outform', 'DER')],
    privateKey: createPrivateKey(readFileSync(join(folder, `${name}.key`))),
  })
  return {
    folder,
    server: credentials('server'),
    device: credentials('device'),
    file: (name) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
