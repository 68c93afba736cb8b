/** A certificate authority made with the openssl program: independent of our own, as the other side of these tests. */

import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DtlsCredentials } from '@sallyport/coaps'
import { certificatesFromPem } from '@sallyport/pki'

const openssl = (...words: string[]): string =>
  execFileSync('openssl', words, { stdio: ['ignore', 'pipe', 'pipe'] }).toString()

export interface OpensslAuthority {
  readonly certificateFile: string
  readonly pem: string
  server(name: string, commonName: string): DtlsCredentials
  /** Signs a PKCS#10 request for a device's identity. */
  identity(requestPem: string): string
}

export function opensslAuthority(folder: string, name: string): OpensslAuthority {
  mkdirSync(folder, { recursive: true })
  const at = (file: string): string => join(folder, file)
  const [key, certificateFile] = [at(`${name}.key`), at(`${name}.pem`)]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl(
    ...['req', '-x509', ...curve, '-keyout', key, '-out', certificateFile, '-days', '30', '-subj', `/CN=${name}`],
    ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  )
  let issued = 0
  const sign = (requestFile: string, extensions: string): string => {
    issued += 1
    const extensionFile = at(`${name}-${issued}.ext`)
    writeFileSync(extensionFile, extensions)
    return openssl(
      ...['x509', '-req', '-in', requestFile, '-CA', certificateFile, '-CAkey', key, '-days', '20'],
      ...['-set_serial', `0x7f${String(issued).padStart(32, '0')}`, '-extfile', extensionFile],
    )
  }
  return {
    certificateFile,
    pem: readFileSync(certificateFile, 'utf8'),
    server: (fileName, commonName) => {
      const keyFile = at(`${fileName}.key`)
      const requestFile = at(`${fileName}.csr`)
      openssl('req', '-new', ...curve, '-keyout', keyFile, '-out', requestFile, '-subj', `/CN=${commonName}`)
      const certificate = sign(
        requestFile,
        'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n',
      )
      return {
        chain: certificatesFromPem(certificate).map(({ der }) => der),
        privateKey: createPrivateKey(readFileSync(keyFile)),
      }
    },
    identity: (requestPem) => {
      const requestFile = at(`request-${issued}.csr`)
      writeFileSync(requestFile, requestPem)
      return sign(
        requestFile,
        'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyAgreement\nextendedKeyUsage=clientAuth,serverAuth,1.3.6.1.4.1.44924.1.6\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n',
      )
    },
  }
}
