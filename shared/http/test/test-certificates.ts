/** Certificates for the mutual TLS tests, made by the openssl command: a root, two intermediates below it, leaves. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export class TestAuthority {
  readonly directory = mkdtempSync(join(tmpdir(), 'sallyport-http-'))

  path(name: string): string {
    return join(this.directory, name)
  }

  root(name: string, subject = `/CN=${name}`): void {
    this.#key(name)
    this.#openssl('req', '-x509', '-new', '-key', `${name}.key`, '-out', `${name}.pem`, '-days', '2', '-subj', subject)
  }

  intermediate(name: string, issuer: string): void {
    this.#sign(name, issuer, 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign')
  }

  /** A leaf with its chain in `<name>.pem`. */
  leaf(name: string, issuer: string, subjectAlternativeName: string): void {
    this.#sign(name, issuer, `subjectAltName=${subjectAlternativeName}\nextendedKeyUsage=clientAuth,serverAuth`)
    writeFileSync(this.path(`${name}.pem`), this.#read(name) + this.#read(issuer))
  }

  /** `<name>.pem` with the CA above its root, as services are given it. */
  bundle(name: string, ...parts: readonly string[]): string {
    writeFileSync(this.path(name), parts.map((part) => this.#read(part)).join(''))
    return this.path(name)
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  #sign(name: string, issuer: string, extensions: string): void {
    this.#key(name)
    writeFileSync(this.path(`${name}.ext`), extensions)
    this.#openssl('req', '-new', '-key', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    this.#openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      `${issuer}.pem`,
      '-CAkey',
      `${issuer}.key`,
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.pem`,
    )
  }

  #key(name: string): void {
    this.#openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', `${name}.key`)
  }

  #read(name: string): string {
    return readFileSync(this.path(`${name}.pem`), 'utf8')
  }

  #openssl(...argv: readonly string[]): void {
    execFileSync('openssl', argv, { cwd: this.directory, stdio: 'pipe' })
  }
}
