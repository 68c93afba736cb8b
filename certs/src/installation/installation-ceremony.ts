/**
 * The key ceremony of an installation, in development as one command: hub id, authorities in the token `ca`, audit-head
 * key, sealing key in the token `kek`, certificates of the services. Each step keeps what is there.
 */

import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { SecretBytes } from '@sallyport/bytes'
import { CodedError, hasCode } from '@sallyport/errors'
import { fileTokenLock, openToken, type Token } from '@sallyport/hsm'
import { dnsName, ipName, uriName } from '@sallyport/issuer'
import { ensureFolder, readTextFile, readTextFileIfPresent, writeFileAtomically } from '../files.ts'
import { deviceIdFromText } from '../manufacturer/manufacturer-device.ts'
import { type Authorities, ensureAuditHeadKey, ensureAuthorities } from './installation-authority.ts'
import { authorityRoles, type InstallationFiles, installationFiles, serviceNames } from './installation-files.ts'
import { ensureServiceCertificate } from './installation-services.ts'

export interface TokenAccess {
  readonly label: string
  readonly pinFile: string
}

export interface InstallationRequest {
  readonly home: string
  readonly modulePath: string
  readonly ca: TokenAccess
  readonly kek: TokenAccess
  readonly hubId?: string
  readonly dns: readonly string[]
  readonly ip: readonly string[]
  readonly now: number
}

export interface InstallationResult {
  readonly hubId: string
  readonly folder: string
  /** What this run made: roles of authorities, `kek-1`, names of certificates. Empty when all was there. */
  readonly created: readonly string[]
}

/** @throws CodedError `hsm-unavailable`, `hsm-key-missing`, `configuration-invalid`. */
export async function performInstallation(request: InstallationRequest): Promise<InstallationResult> {
  const files = installationFiles(request.home)
  ensureFolder(files.folder)
  ensureFolder(dirname(files.service.gateway.certificate))
  return fileTokenLock(files.lock).withLock(async () => {
    const hubId = ensureHubId(files, request.hubId)
    const created = [
      ...(await withToken(request, request.kek, ensureSealingKey)),
      ...(await withToken(request, request.ca, async (token) => {
        const authorities = await ensureAuthorities({ files, token, hubId, now: request.now })
        await ensureAuditHeadKey(files, token)
        const made = authorityRoles.filter((role) => authorities[role].created)
        return [...made, ...(await ensureCertificates(files, authorities, hubId, request))]
      })),
    ]
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

async function withToken<Result>(
  request: InstallationRequest,
  access: TokenAccess,
  work: (token: Token) => Promise<Result>,
): Promise<Result> {
  const token = await openToken({
    modulePath: request.modulePath,
    tokenLabel: access.label,
    pin: readPin(access.pinFile),
    lock: fileTokenLock(`${installationFiles(request.home).lock}.${access.label}`),
    sessions: 1,
  })
  try {
    return await work(token)
  } finally {
    await token.close()
  }
}

/** @throws CodedError `configuration-invalid` for a PIN that others can read. */
function readPin(path: string): SecretBytes {
  const text = readTextFile(path, 'The PIN')
  if ((statSync(path).mode & 0o077) !== 0) {
    throw new CodedError('configuration-invalid', `${path} can be read by others. Do: chmod 600 ${path}`)
  }
  return SecretBytes.fromText(text.trimEnd())
}

async function ensureSealingKey(token: Token): Promise<string[]> {
  const label = 'kek-1'
  try {
    await token.findSealingKey(label)
    return []
  } catch (error) {
    if (!hasCode(error, 'hsm-key-missing')) throw error
  }
  await token.generateSealingKey(label)
  return [label]
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
