/**
 * The installation's certificate authorities, as the key ceremony left them: a table of roles with, for each, the file of
 * its certificate (and its issuers) and the id of its key in the token.
 */

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fromHex } from '@sallyport/bytes'
import { CodedError, isCodedError } from '@sallyport/errors'
import type { AuthorityRole } from '@sallyport/fleet'
import { type Certificate, certificatesFromPem } from '@sallyport/pki'

export interface InstallationAuthority {
  readonly role: AuthorityRole
  readonly certificate: Certificate
  /** The authority first, its root last. */
  readonly chain: readonly Certificate[]
  /** CKA_ID in the token. */
  readonly keyId: Uint8Array
}

export type InstallationAuthorities = Readonly<Record<AuthorityRole, InstallationAuthority>>

/** @throws CodedError `configuration-invalid` naming what is wrong with which file. */
export function readInstallationAuthorities(path: string): InstallationAuthorities {
  try {
    const table: unknown = JSON.parse(readFileSync(path, 'utf8'))
    const read = (role: AuthorityRole): InstallationAuthority => readAuthority(path, table, role)
    return {
      'installation-root': read('installation-root'),
      server: read('server'),
      service: read('service'),
      identity: read('identity'),
    }
  } catch (cause) {
    if (isCodedError(cause) && cause.code === 'configuration-invalid') throw cause
    const reason = cause instanceof Error ? cause.message : 'unreadable'
    throw new CodedError('configuration-invalid', `the authorities of ${path} cannot be used: ${reason}`, { cause })
  }
}

function readAuthority(path: string, table: unknown, role: AuthorityRole): InstallationAuthority {
  const entry =
    typeof table === 'object' && table !== null ? Object.entries(table).find(([key]) => key === role)?.[1] : undefined
  if (typeof entry?.file !== 'string' || typeof entry.keyId !== 'string') {
    throw new CodedError('configuration-invalid', `${path} has no file and keyId for the role ${role}`)
  }
  const chain = certificatesFromPem(readFileSync(resolve(dirname(path), entry.file), 'utf8'))
  const certificate = chain[0]
  if (certificate === undefined || !certificate.isCa) {
    throw new CodedError('configuration-invalid', `${entry.file} does not begin with a certificate authority`)
  }
  return { role, certificate, chain, keyId: fromHex(entry.keyId) }
}
