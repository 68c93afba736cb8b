/**
 * The key ceremony of an installation, in development as one command: hub id, authorities in the token `ca`, audit-head
 * key, certificates of the services. Each step keeps what is there; the list of authorities is written last, and says
 * that all is done.
 */

import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import { CodedError } from '@sallyport/errors'
import { fileTokenLock } from '@sallyport/hsm'
import { dnsName, ipName, uriName } from '@sallyport/issuer'
import { ensureFolder, readTextFileIfPresent, writeFileAtomically } from '../files.ts'
import { deviceIdFromText } from '../manufacturer/manufacturer-device.ts'
import {
  type Authorities,
  ensureAuditHeadKey,
  ensureAuthorities,
  writeAuthorityList,
} from './installation-authority.ts'
import { authorityRoles, type InstallationFiles, installationFiles, serviceNames } from './installation-files.ts'
import { ensureServiceCertificate } from './installation-services.ts'
import { type TokenAccess, withToken } from './token-access.ts'

export interface InstallationRequest {
  readonly home: string
  /** The token of the certificate authorities; initialized already. */
  readonly token: TokenAccess
  readonly hubId?: string
  readonly dns: readonly string[]
  readonly ip: readonly string[]
  /** Marks the authorities, so that a production start refuses them. */
  readonly development: boolean
  readonly now: number
}

export interface InstallationResult {
  readonly hubId: string
  readonly folder: string
  /** What this run made: roles of authorities, names of certificates. Empty when all was there. */
  readonly created: readonly string[]
}

/** @throws CodedError `hsm-unavailable`, `hsm-key-missing`, `configuration-invalid`. */
export async function performInstallation(request: InstallationRequest): Promise<InstallationResult> {
  const files = installationFiles(request.home)
  ensureFolder(files.folder)
  ensureFolder(dirname(files.service.gateway.certificate))
  return fileTokenLock(files.lock).withLock(async () => {
    const hubId = ensureHubId(files, request.hubId)
    const created = await withToken(request.token, files.folder, async (token) => {
      const authorities = await ensureAuthorities({
        files,
        token,
        hubId,
        development: request.development,
        now: request.now,
      })
      await ensureAuditHeadKey(files, token)
      const certificates = await ensureCertificates(files, authorities, hubId, request)
      writeAuthorityList(files, authorities)
      return [...authorityRoles.filter((role) => authorities[role].created), ...certificates]
    })
    return { hubId, folder: files.folder, created }
  })
}

function ensureHubId(files: InstallationFiles, wanted: string | undefined): string {
  const known = readTextFileIfPresent(files.hubId)?.trim()
  const asked = wanted === undefined ? undefined : deviceIdFromText(wanted)
  if (known !== undefined && asked !== undefined && known !== asked) {
    throw new CodedError(
      'configuration-invalid',
      `This installation is hub ${known}, not ${asked}. Use another --home.`,
    )
  }
  const hubId = known ?? asked ?? randomUUID()
  if (known === undefined) writeFileAtomically(files.hubId, `${hubId}\n`, 'public')
  return hubId
}

async function ensureCertificates(
  files: InstallationFiles,
  authorities: Authorities,
  hubId: string,
  request: InstallationRequest,
): Promise<string[]> {
  const { now } = request
  const hosts = [...request.dns.map(dnsName), ...request.ip.map(ipName)]
  const created: string[] = []
  for (const [name, commonName] of [
    ['gateway', `uuid:${hubId}`],
    ['dps', request.dns[0] ?? request.ip[0] ?? 'dps'],
  ] as const) {
    const subject = { commonName, subjectAlternativeNames: hosts }
    const authority = authorities.server
    if (await ensureServiceCertificate({ files: files.server[name], profile: 'server', subject, authority, now })) {
      created.push(name)
    }
  }
  for (const name of serviceNames) {
    const subject = {
      commonName: name,
      subjectAlternativeNames: [uriName(`urn:sallyport:service:${name}`), ...hosts],
    }
    const authority = authorities.service
    if (await ensureServiceCertificate({ files: files.service[name], profile: 'service', subject, authority, now })) {
      created.push(`services/${name}`)
    }
  }
  return created
}
