/**
 * Certificates for the DTLS tests, made by the openssl command in a folder of their own: an EC root with a server and
 * devices, and an RSA root with an RSA intermediate and a device under it, whose chain needs several datagrams.
 */

import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DtlsCredentials } from '../src/association.ts'

const leaves = {
  server: { key: 'P-256', issuer: 'root' },
  'server-p384': { key: 'P-384', issuer: 'root' },
  'server-big': { key: 'P-256', issuer: 'rsa-intermediate' },
  device: { key: 'P-256', issuer: 'root' },
  'device-p384': { key: 'P-384', issuer: 'root' },
  'device-big': { key: 'P-256', issuer: 'rsa-intermediate' },
  'device-rsa': { key: 'rsa', issuer: 'root' },
  'device-rsa-1024': { key: 'rsa-1024', issuer: 'root' },
  'device-ed25519': { key: 'ed25519', issuer: 'root' },
} as const

export type LeafName = keyof typeof leaves

export interface DtlsCertificates {
  /** `<leaf>.pem`: its chain, `.issuers.pem`: the same without it, `.key` and `.p8.key`; `anchors.pem`: both roots. */
  file(name: string): string
  credentials(name: LeafName): DtlsCredentials
  remove(): void
}

export function makeDtlsCertificates(): DtlsCertificates {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-dtls-'))
  const file = (name: string): string => join(folder, name)
  const openssl = (line: string): void => {
    try {
      execFileSync('openssl', line.split(' '), { cwd: folder, stdio: 'pipe' })
    } catch (cause) {
      throw new Error('this test needs the program openssl (Debian package openssl)', { cause })
    }
  }
  const newKey = (name: string, kind: 'P-256' | 'P-384' | 'rsa' | 'rsa-1024' | 'ed25519'): void => {
    if (kind === 'rsa') openssl(`genrsa -out ${name}.key 3072`)
    else if (kind === 'rsa-1024') openssl(`genrsa -out ${name}.key 1024`)
    else if (kind === 'ed25519') openssl(`genpkey -algorithm ed25519 -out ${name}.key`)
    else openssl(`ecparam -name ${kind === 'P-256' ? 'prime256v1' : 'secp384r1'} -genkey -noout -out ${name}.key`)
  }
  const issue = (name: string, issuer: string, extensions: string): void => {
    writeFileSync(file('extensions'), extensions)
    openssl(`req -new -key ${name}.key -subj /CN=${name} -out ${name}.csr`)
    openssl(
      `x509 -req -in ${name}.csr -CA ${issuer}.crt -CAkey ${issuer}.key -CAcreateserial -days 2 -extfile extensions -out ${name}.crt`,
    )
  }
  for (const [root, kind] of [
    ['root', 'P-256'],
    ['rsa-root', 'rsa'],
  ] as const) {
    newKey(root, kind)
    openssl(`req -x509 -new -key ${root}.key -subj /CN=${root} -days 2 -out ${root}.crt`)
  }
  newKey('rsa-intermediate', 'rsa')
  issue('rsa-intermediate', 'rsa-root', 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n')
  const read = (name: string): string => readFileSync(file(`${name}.crt`), 'utf8')
  writeFileSync(file('anchors.pem'), read('root') + read('rsa-root'))
  for (const [name, { key, issuer }] of Object.entries(leaves)) {
    newKey(name, key)
    openssl(`pkcs8 -topk8 -nocrypt -in ${name}.key -out ${name}.p8.key`)
    issue(name, issuer, 'subjectAltName=DNS:localhost,IP:127.0.0.1\nkeyUsage=digitalSignature\n')
    const issuers = issuer === 'root' ? '' : read(issuer)
    writeFileSync(file(`${name}.pem`), read(name) + issuers)
    writeFileSync(file(`${name}.issuers.pem`), issuers)
  }
  return {
    file,
    credentials: (name) => ({
      chain: splitPem(readFileSync(file(`${name}.pem`), 'utf8')).map(
        (pem) => new Uint8Array(new X509Certificate(pem).raw),
      ),
      privateKey: createPrivateKey(readFileSync(file(`${name}.key`))),
    }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

const splitPem = (text: string): string[] => text.match(/-----BEGIN[\s\S]*?END CERTIFICATE-----/g) ?? []
