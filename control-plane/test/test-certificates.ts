/** Certificates for tests, made by the openssl command in a folder of their own. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const authorityExtensions = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign'

const p256 = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']

export class TestCertificates {
  readonly directory = mkdtempSync(join(tmpdir(), 'sallyport-certificates-'))

  path(name: string): string {
    return join(this.directory, name)
  }

  pem(...names: readonly string[]): string {
    return names.map((name) => readFileSync(this.path(`${name}.pem`), 'utf8')).join('')
  }

  key(name: string): string {
    return readFileSync(this.path(`${name}.key`), 'utf8')
  }

  /** Self-signed. `commonName` may be another's: that is how a forger would do it. */
  root(name: string, commonName = name, key: readonly string[] = p256): this {
    this.#openssl('genpkey', ...key, '-out', `${name}.key`)
    this.#write(`${name}.ext`, authorityExtensions)
    this.#openssl('req', '-new', '-key', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${commonName}`)
    this.#x509(name, '-signkey', `${name}.key`)
    return this
  }

  intermediate(name: string, issuer: string, extensions = authorityExtensions): this {
    return this.#issue(name, issuer, extensions)
  }

  /** A service's or a device's certificate; `<name>.pem` holds the leaf alone. */
  leaf(name: string, issuer: string, subjectAlternativeName = `DNS:${name}`): this {
    return this.#issue(name, issuer, `subjectAltName=${subjectAlternativeName}\nextendedKeyUsage=clientAuth,serverAuth`)
  }

  /** A file with several certificates. */
  bundle(file: string, ...names: readonly string[]): string {
    this.#write(file, this.pem(...names))
    return this.path(file)
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  #issue(name: string, issuer: string, extensions: string): this {
    this.#key(name)
    this.#write(`${name}.ext`, extensions)
    this.#openssl('req', '-new', '-key', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    this.#x509(name, '-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`, '-CAcreateserial')
    return this
  }

  #x509(name: string, ...signer: readonly string[]): void {
    const files = ['-in', `${name}.csr`, '-extfile', `${name}.ext`, '-out', `${name}.pem`]
    this.#openssl('x509', '-req', ...files, '-days', '2', ...signer)
  }

  #key(name: string): void {
    this.#openssl('genpkey', ...p256, '-out', `${name}.key`)
  }

  #write(file: string, text: string): void {
    writeFileSync(this.path(file), text)
  }

  #openssl(...argv: readonly string[]): void {
    execFileSync('openssl', argv, { cwd: this.directory, stdio: 'pipe' })
  }
}
