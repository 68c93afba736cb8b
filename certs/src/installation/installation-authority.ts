/**
 * The certificate authorities of an installation (design: CAs of an installation): root → server, root → service, and
 * identity, each with a key that is generated in the token `ca` and never leaves it.
 *
 * Run again, it keeps what is there. A ceremony that was cut short between key and certificate is taken up with the key
 * that the token already has.
 */

import { basename } from 'node:path'
import { constantTimeEqual, toHex } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import type { Token, TokenKey } from '@sallyport/hsm'
import { type CertificateProfile, issueCertificate, type Signer, validityFor } from '@sallyport/issuer'
import { type Certificate, certificatesFromPem, certificateToPem, toPem } from '@sallyport/pki'
import { readTextFileIfPresent, writeFileAtomically } from '../files.ts'
import { randomSerialNumber } from '../software-key.ts'
import { type AuthorityRole, authorityRoles, type InstallationFiles } from './installation-files.ts'

export interface Authority {
  readonly certificate: Certificate
  readonly key: TokenKey
  readonly created: boolean
}

export type Authorities = Readonly<Record<AuthorityRole, Authority>>

/** A device's clock may be behind ours when it meets an installation that was just made. */
const backdatedMilliseconds = 86_400_000

/** The mark of a development PKI: services in production refuse an authority of this organization. */
const developmentOrganization = 'Sallyport Development'

interface AuthorityPlan {
  readonly profile: CertificateProfile
  readonly name: string
  readonly label: string
  readonly days: number
}

const plans: Readonly<Record<AuthorityRole, AuthorityPlan>> = {
  'installation-root': {
    profile: 'installation-root',
    name: 'Installation Root',
    label: 'installation-root',
    days: 20 * 365,
  },
  server: { profile: 'server-ca', name: 'Server CA', label: 'server-ca', days: 10 * 365 },
  service: { profile: 'service-ca', name: 'Service CA', label: 'service-ca', days: 10 * 365 },
  identity: { profile: 'identity-ca', name: 'Identity CA', label: 'identity-ca', days: 20 * 365 },
}

/** @throws CodedError `hsm-key-missing` for an authority whose key the token no longer has. */
export async function ensureAuthorities(options: {
  files: InstallationFiles
  token: Token
  hubId: string
  development: boolean
  now: number
}): Promise<Authorities> {
  const keys = await options.token.listEcKeys()
  const ensure = (role: AuthorityRole, issuer?: Authority): Promise<Authority> =>
    ensureAuthority({ ...options, role, keys, issuer })
  const root = await ensure('installation-root')
  const authorities: Authorities = {
    'installation-root': root,
    server: await ensure('server', root),
    service: await ensure('service', root),
    identity: await ensure('identity'),
  }
  writeFileAtomically(options.files.trustAnchor, certificateToPem(root.certificate.der), 'public')
  return authorities
}

/** Written last: that this file is there says that the ceremony is done. */
export function writeAuthorityList(files: InstallationFiles, authorities: Authorities): void {
  const entries = authorityRoles.map((role) => [role, keyEntry(files.authority[role], authorities[role].key)])
  writeFileAtomically(files.authorities, `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`, 'public')
}

async function ensureAuthority(options: {
  files: InstallationFiles
  token: Token
  hubId: string
  development: boolean
  now: number
  role: AuthorityRole
  keys: readonly TokenKey[]
  issuer: Authority | undefined
}): Promise<Authority> {
  const { files, token, role, keys, issuer } = options
  const plan = plans[role]
  const file = files.authority[role]
  const pem = readTextFileIfPresent(file)
  if (pem !== undefined) return existingAuthority(file, pem, token, keys)

  const key =
    keys.find(({ label }) => label === plan.label) ?? (await token.generateEcKey({ label: plan.label, curve: 'P-256' }))
  const signer = signerOf(key)
  const certificate = await issueCertificate({
    profile: plan.profile,
    subject: {
      organization: options.development ? developmentOrganization : 'Sallyport',
      commonName: `${plan.name} ${options.hubId.slice(0, 8)}`,
    },
    spki: key.spki,
    issuer: issuer === undefined ? { signer } : { certificate: issuer.certificate, signer: signerOf(issuer.key) },
    serialNumber: randomSerialNumber(),
    ...validityFor(options.now - backdatedMilliseconds, plan.days),
  })
  const chain = [certificate, ...(issuer === undefined ? [] : [issuer.certificate])]
  writeFileAtomically(file, chain.map(({ der }) => certificateToPem(der)).join(''), 'public')
  return { certificate, key, created: true }
}

function existingAuthority(file: string, pem: string, token: Token, keys: readonly TokenKey[]): Authority {
  const [certificate] = certificatesFromPem(pem)
  const key = keys.find(({ spki }) => certificate !== undefined && constantTimeEqual(spki, certificate.spki))
  if (certificate === undefined || key === undefined) {
    throw new CodedError(
      'hsm-key-missing',
      `The token ${token.label} does not hold the key of ${file}. Restore the token, or begin anew with another --home.`,
    )
  }
  return { certificate, key, created: false }
}

/** The key that signs the heads of the audit chain: no authority, and of the same token. */
export async function ensureAuditHeadKey(files: InstallationFiles, token: Token): Promise<void> {
  const label = 'audit-head'
  const key =
    (await token.listEcKeys()).find((candidate) => candidate.label === label) ??
    (await token.generateEcKey({ label, curve: 'P-256' }))
  writeFileAtomically(files.auditHeadKey, toPem('PUBLIC KEY', key.spki), 'public')
  writeFileAtomically(files.auditHead, `${JSON.stringify(keyEntry(files.auditHeadKey, key), null, 2)}\n`, 'public')
}

const keyEntry = (file: string, key: TokenKey): { file: string; keyId: string; label: string } => ({
  file: basename(file),
  keyId: toHex(key.id),
  label: key.label,
})

export const signerOf = (key: TokenKey): Signer => ({ publicKey: key.spki, sign: (data) => key.sign(data) })
