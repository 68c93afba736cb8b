/**
 * HTTPS towards people: certificate and key from PEM files, read again when they change, without a restart and without cutting
 * anybody off. TLS 1.2 with forward-secret AEAD suites, and TLS 1.3; HTTP/1.1 alone (no rapid reset, CVE-2023-44487).
 */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Server as TlsServer } from 'node:tls'
import { type Duration, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'

/** PEM files. */
export interface ServerCertificateFiles {
  /** The chain, leaf first. */
  readonly certificate: string
  readonly key: string
}

export interface ServerCertificate {
  serverOptions(): ServerTlsOptions
  /** Gives the server each newer certificate. */
  serve(server: TlsServer): void
  /** When the certificate ends: an alarm belongs before it. */
  notAfter(): Date
  close(): void
}

export interface ServerTlsOptions {
  readonly cert: string
  readonly key: string
  readonly minVersion: 'TLSv1.2'
  readonly ciphers: string
  readonly honorCipherOrder: true
  readonly ALPNProtocols: string[]
}

const suites = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

interface Credential {
  readonly cert: string
  readonly key: string
}

/**
 * Reads the files now and again every `reloadInterval` (default 5 s). A change that does not fit together, a new certificate
 * beside the old key, is left until it does.
 * @throws CodedError `configuration-invalid` when the files cannot be used now.
 */
export function openServerCertificate(
  files: ServerCertificateFiles,
  options: { readonly reloadInterval?: Duration } = {},
): ServerCertificate {
  let present = readCredential(files)
  const servers: TlsServer[] = []
  const serverOptions = (): ServerTlsOptions => ({
    ...present,
    minVersion: 'TLSv1.2',
    ciphers: suites,
    honorCipherOrder: true,
    ALPNProtocols: ['http/1.1'],
  })
  const timer = setInterval(() => {
    const newer = readQuietly(files)
    if (newer === undefined || (newer.cert === present.cert && newer.key === present.key)) return
    present = newer
    for (const server of servers) server.setSecureContext(serverOptions())
  }, options.reloadInterval ?? seconds(5))
  timer.unref()
  return {
    serverOptions,
    serve: (server) => servers.push(server),
    notAfter: () => new X509Certificate(present.cert).validToDate,
    close: () => clearInterval(timer),
  }
}

function readCredential(files: ServerCertificateFiles): Credential {
  try {
    const cert = readFileSync(files.certificate, 'utf8')
    const key = readFileSync(files.key, 'utf8')
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      throw new Error(`${files.key} is not the key of ${files.certificate}`)
    }
    return { cert, key }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unreadable'
    throw new CodedError('configuration-invalid', `The certificate of the HTTP port cannot be used: ${reason}`, {
      cause,
    })
  }
}

function readQuietly(files: ServerCertificateFiles): Credential | undefined {
  try {
    return readCredential(files)
  } catch {
    return undefined
  }
}
