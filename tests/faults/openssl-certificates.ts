/** A CA, a server and a device under it, made by the openssl command in a folder of their own. */

import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DtlsCredentials } from '@sallyport/coaps'

export interface OpensslCertificates {
  readonly server: DtlsCredentials
  readonly device: DtlsCredentials
  /** `ca.pem`, `device.pem`, `device.key`. */
  file(name: string): string
  remove(): void
}

export function makeOpensslCertificates(): OpensslCertificates {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-faults-'))
  const file = (name: string): string => join(folder, name)
  const openssl = (line: string): void => {
    execFileSync('openssl', line.split(' '), { cwd: folder, stdio: 'pipe' })
  }
  const newKey = (name: string): void => openssl(`ecparam -name prime256v1 -genkey -noout -out ${name}.key`)
  newKey('ca')
  openssl('req -x509 -new -key ca.key -subj /CN=ca -days 2 -out ca.pem')
  writeFileSync(file('extensions'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\nkeyUsage=digitalSignature\n')
  for (const name of ['server', 'device']) {
    newKey(name)
    openssl(`req -new -key ${name}.key -subj /CN=${name} -out ${name}.csr`)
    openssl(
      `x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out ${name}.pem`,
    )
  }
  const credentials = (name: string): DtlsCredentials => ({
    chain: [new Uint8Array(new X509Certificate(readFileSync(file(`${name}.pem`))).raw)],
    privateKey: createPrivateKey(readFileSync(file(`${name}.key`))),
  })
  return {
    server: credentials('server'),
    device: credentials('device'),
    file,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
