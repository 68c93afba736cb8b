/** A CA, a server, and a device for each kind of key, made by the openssl command in a folder of their own. */

import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DtlsCredentials } from '@sallyport/coaps'
import type { Presented } from './foreign-peer.ts'

const keys = {
  'P-256': 'EC -pkeyopt ec_paramgen_curve:P-256',
  'P-384': 'EC -pkeyopt ec_paramgen_curve:P-384',
  Ed25519: 'ED25519',
  'RSA-2048': 'RSA -pkeyopt rsa_keygen_bits:2048',
} as const

export type KeyKind = keyof typeof keys
export const keyKinds = Object.keys(keys) as readonly KeyKind[]

export interface MatrixCertificates {
  readonly trustAnchor: string
  /** `server`, or the kind of a device's key. */
  presented(name: 'server' | KeyKind): Presented
  credentials(name: 'server' | KeyKind): DtlsCredentials
  remove(): void
}

export function makeMatrixCertificates(): MatrixCertificates {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-interop-'))
  const file = (name: string): string => join(folder, name)
  const openssl = (line: string): void => {
    execFileSync('openssl', line.split(' '), { cwd: folder, stdio: 'pipe' })
  }
  // In PKCS#8, which all of the peers read.
  const newKey = (name: string, kind: KeyKind): void => openssl(`genpkey -algorithm ${keys[kind]} -out ${name}.key`)
  newKey('ca', 'P-256')
  openssl('req -x509 -new -key ca.key -subj /CN=ca -days 2 -out ca.pem')
  writeFileSync(file('extensions'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\nkeyUsage=digitalSignature\n')
  for (const name of ['server', ...keyKinds] as const) {
    newKey(name, name === 'server' ? 'P-256' : name)
    openssl(`req -new -key ${name}.key -subj /CN=${name} -out ${name}.csr`)
    openssl(
      `x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out ${name}.pem`,
    )
  }
  return {
    trustAnchor: file('ca.pem'),
    presented: (name) => ({ certificate: file(`${name}.pem`), key: file(`${name}.key`) }),
    credentials: (name) => ({
      chain: [new Uint8Array(new X509Certificate(readFileSync(file(`${name}.pem`))).raw)],
      privateKey: createPrivateKey(readFileSync(file(`${name}.key`))),
    }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
