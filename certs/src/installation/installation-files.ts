/**
 * Where the files of an installation's PKI lie, below its home: the contract with the services and with `make run`.
 */

import { join, resolve } from 'node:path'

/** The certificate authorities of an installation, as the database calls them too. */
export const authorityRoles = ['installation-root', 'server', 'service', 'identity'] as const
export type AuthorityRole = (typeof authorityRoles)[number]

/** The processes that prove to each other who they are. */
export const serviceNames = ['gateway', 'dps', 'control-plane'] as const
export type ServiceName = (typeof serviceNames)[number]

export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

export interface InstallationFiles {
  readonly folder: string
  readonly lock: string
  readonly hubId: string
  /** Each: the authority, then its issuers. */
  readonly authority: Readonly<Record<AuthorityRole, string>>
  /** The installation root alone: what verifies gateway and dps. */
  readonly trustAnchor: string
  /** JSON: role → {file (beside this one), keyId (hexadecimal CKA_ID), label}. */
  readonly authorities: string
  /** JSON: {label, generation} of the sealing key in the token `kek`. */
  readonly sealingKey: string
  /** JSON of the same shape for the key that signs audit heads; its file is a public key. */
  readonly auditHead: string
  readonly auditHeadKey: string
  /** DTLS certificates towards devices: leaf, then server CA. */
  readonly server: Readonly<Record<'gateway' | 'dps', CertificateFiles>>
  /** Mutual TLS between services: leaf, then service CA. */
  readonly service: Readonly<Record<ServiceName, CertificateFiles>>
}

export function installationFiles(home: string): InstallationFiles {
  const folder = join(resolve(home), 'pki')
  const pair = (name: string): CertificateFiles => ({
    certificate: join(folder, `${name}.pem`),
    key: join(folder, `${name}.key`),
  })
  return {
    folder,
    lock: join(folder, 'ceremony.lock'),
    hubId: join(folder, 'hub-id'),
    authority: {
      'installation-root': join(folder, 'installation-root.pem'),
      server: join(folder, 'server-ca.pem'),
      service: join(folder, 'service-ca.pem'),
      identity: join(folder, 'identity-ca.pem'),
    },
    trustAnchor: join(folder, 'trust-anchor.pem'),
    authorities: join(folder, 'authorities.json'),
    sealingKey: join(folder, 'sealing-key.json'),
    auditHead: join(folder, 'audit-head.json'),
    auditHeadKey: join(folder, 'audit-head.pem'),
    server: { gateway: pair('gateway'), dps: pair('dps') },
    service: {
      gateway: pair(join('services', 'gateway')),
      dps: pair(join('services', 'dps')),
      'control-plane': pair(join('services', 'control-plane')),
    },
  }
}
