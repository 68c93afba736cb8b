/** A certificate authority for one benchmark, with a server's and a device's certificate (P-256): both servers get the same files. */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** PEM files. */
interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

export interface BenchCertificates {
  readonly authority: string
  readonly server: CertificateFiles
  readonly device: CertificateFiles
}

export function makeBenchCertificates(home: string): BenchCertificates {
  const authority = makeCertificate(home, 'authority', [
    'basicConstraints=critical,CA:TRUE',
    'keyUsage=critical,keyCertSign,cRLSign',
  ])
  const leaf = (name: string, usage: string) =>
    makeCertificate(
      home,
      name,
      [
        'basicConstraints=critical,CA:FALSE',
        'keyUsage=critical,digitalSignature',
        `extendedKeyUsage=${usage}`,
        'subjectAltName=DNS:localhost',
      ],
      authority,
    )
  return {
    authority: authority.certificate,
    server: leaf('server', 'serverAuth'),
    device: leaf('device', 'clientAuth'),
  }
}

function makeCertificate(
  home: string,
  name: string,
  extensions: readonly string[],
  issuer?: CertificateFiles,
): CertificateFiles {
  const files = { certificate: join(home, `${name}.pem`), key: join(home, `${name}.key`) }
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', `/CN=benchmark ${name}`, '-keyout', files.key, '-out', files.certificate],
      ...extensions.flatMap((extension) => ['-addext', extension]),
      ...(issuer === undefined ? [] : ['-CA', issuer.certificate, '-CAkey', issuer.key]),
    ],
    { stdio: 'pipe' },
  )
  return files
}
