/** Certificates and keys made with the openssl command line, in a directory that is gone afterwards. */

import { execFileSync } from 'node:child_process'
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CurveName } from '../../src/signature-scheme.ts'

export interface TestIdentity {
  readonly chain: readonly Uint8Array[]
  readonly curve: CurveName
  readonly privateKey: KeyObject
}

const keyOptions = {
  'P-256': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'P-384': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  'P-521': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  RSA: ['rsa:2048'],
  'RSA of 1024 bits': ['rsa:1024'],
  Ed25519: ['ed25519'],
} as const

/** A self-signed certificate: the machines do not judge chains. */
export function makeIdentity(key: keyof typeof keyOptions, name = 'test'): TestIdentity {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-dtls-'))
  try {
    const [certificate, privateKey] = [join(directory, 'certificate.pem'), join(directory, 'key.pem')]
    openssl(
      'req',
      '-x509',
      '-newkey',
      ...keyOptions[key],
      '-nodes',
      '-keyout',
      privateKey,
      '-out',
      certificate,
      '-subj',
      `/CN=${name}`,
      '-days',
      '2',
    )
    return {
      chain: [new Uint8Array(new X509Certificate(readFileSync(certificate)).raw)],
      curve: key === 'P-384' ? 'P-384' : 'P-256',
      privateKey: createPrivateKey(readFileSync(privateKey)),
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function openssl(...args: readonly string[]): void {
  try {
    execFileSync('openssl', args, { stdio: 'pipe' })
  } catch (cause) {
    throw new Error('this test needs the program openssl (Debian package openssl)', { cause })
  }
}
