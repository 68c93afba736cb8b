/**
 * Mutual TLS between services (design §11): TLS 1.3, both sides under the services' own CA, certificates read from files and
 * read again when the files change, without a restart.
 *
 * Trust is in the services' CA itself, not in the root above it: a device's certificate hangs under that root too.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { TLSSocket, Server as TlsServer } from 'node:tls'
import type { Duration } from '@sallyport/clock'
import { seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { requireInDate } from './certificate-end.ts'

/** PEM files. */
export interface ServiceCredentialFiles {
  /** This service's chain, leaf first. */
  readonly certificate: string
  readonly key: string
  /** The services' CA, with or without the root above it. */
  readonly authority: string
}

export interface ServiceCredentialValues {
  readonly cert: string
  readonly key: string
  /** Every certificate of the authority file: OpenSSL wants the chain up to its root. */
  readonly ca: readonly string[]
  /** The services' CA itself: whoever calls or is called was issued by one of these. */
  readonly issuers: readonly string[]
}

export interface MutualTls {
  current(): ServiceCredentialValues
  /** Options for `https.createServer`: a client certificate is demanded and verified in the handshake. */
  serverOptions(): TlsOptions
  /** Gives the server each newer certificate, and cuts callers that the services' CA did not issue. */
  serve(server: TlsServer): void
  onChanged(listener: () => void): void
  /** When this service's own certificate ends: an alarm belongs before it. */
  notAfter(): Date
  close(): void
}

interface TlsOptions {
  readonly cert: string
  readonly key: string
  readonly ca: string[]
  readonly requestCert: true
  readonly rejectUnauthorized: true
  readonly minVersion: 'TLSv1.3'
}

/** The organization in the subjects of a development PKI (`certs installation --development`). */
const developmentOrganization = 'Sallyport Development'

/**
 * Reads the files now and again every `reloadInterval` (default 5 s). A change that does not fit together (a new certificate
 * beside the old key) is left until it does.
 * @param options.production refuses a development PKI, whose keys anybody may have copied.
 * @throws CodedError `configuration-invalid` when the files cannot be used now.
 */
export function openMutualTls(
  files: ServiceCredentialFiles,
  options: { reloadInterval?: Duration; production?: boolean } = {},
): MutualTls {
  let values = readValues(files)
  requireInDate(files.certificate, values.cert)
  if (options.production === true) refuseDevelopmentPki(files, values)
  const listeners: (() => void)[] = []
  const timer = setInterval(() => {
    const newer = readQuietly(files)
    if (newer === undefined || sameValues(newer, values)) return
    values = newer
    for (const listener of listeners) listener()
  }, options.reloadInterval ?? seconds(5))
  timer.unref()
  const serverOptions = (): TlsOptions => ({
    cert: values.cert,
    key: values.key,
    ca: [...values.ca],
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  })
  return {
    current: () => values,
    serverOptions,
    serve(server) {
      listeners.push(() => server.setSecureContext(serverOptions()))
      // A server has no partial chains (Node passes `allowPartialTrustChain` on for clients only): the issuer is checked here,
      // before the first byte of a request is read.
      server.prependListener('secureConnection', (socket: TLSSocket) => {
        if (!isIssuedBy(values.issuers, socket.getPeerX509Certificate())) socket.destroy()
      })
    },
    onChanged: (listener) => listeners.push(listener),
    notAfter: () => new X509Certificate(values.cert).validToDate,
    close: () => clearInterval(timer),
  }
}

function readValues(files: ServiceCredentialFiles): ServiceCredentialValues {
  try {
    const cert = readFileSync(files.certificate, 'utf8')
    const key = readFileSync(files.key, 'utf8')
    const authorities = pemCertificates(readFileSync(files.authority, 'utf8'))
    if (authorities.length === 0) throw new Error(`${files.authority} holds no certificate`)
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      throw new Error(`${files.key} is not the key of ${files.certificate}`)
    }
    const intermediates = authorities.filter((pem) => !isSelfIssued(pem))
    return { cert, key, ca: authorities, issuers: intermediates.length > 0 ? intermediates : authorities }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unreadable'
    throw new CodedError('configuration-invalid', `The service's credentials cannot be used: ${reason}`, { cause })
  }
}

function refuseDevelopmentPki(files: ServiceCredentialFiles, values: ServiceCredentialValues): void {
  const mark = `O=${developmentOrganization}`
  const marked = values.ca.some((pem) => new X509Certificate(pem).subject.split('\n').includes(mark))
  if (!marked) return
  throw new CodedError(
    'configuration-invalid',
    `${files.authority} belongs to a development PKI, which production refuses: hold a key ceremony (certs installation) without --development, in an HSM token of its own.`,
  )
}

function readQuietly(files: ServiceCredentialFiles): ServiceCredentialValues | undefined {
  try {
    return readValues(files)
  } catch {
    return undefined
  }
}

const sameValues = (a: ServiceCredentialValues, b: ServiceCredentialValues): boolean =>
  a.cert === b.cert && a.key === b.key && a.ca.join() === b.ca.join()

const pemCertificates = (text: string): string[] =>
  text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []

function isIssuedBy(issuers: readonly string[], certificate: X509Certificate | undefined): boolean {
  if (certificate === undefined) return false
  return issuers
    .map((pem) => new X509Certificate(pem))
    .some((issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey))
}

function isSelfIssued(pem: string): boolean {
  const certificate = new X509Certificate(pem)
  return certificate.subject === certificate.issuer
}
