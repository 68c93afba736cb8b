/**
 * Who may provision: the decision about a presented chain, and the reason for a refusal (RFC 5280 section 6; design:
 * handshake alerts by cause).
 *
 * A chain is accepted in one of two ways:
 *   1. manufacturer: it leads to the lead authority of an active enrollment group, and its key's device is not blocked;
 *   2. identity: its leaf is recorded as issued by this installation to a device, is still good, and its device's group
 *      is active. That is how a device renews.
 *
 * Groups are found by the names in the chain, which prove nothing, and chosen by the signature that validates. What the
 * device sends only completes a path; an authority that it sends is never trusted. Proof of possession of the leaf's key
 * is DTLS's part and was made before.
 */

import { createHash } from 'node:crypto'
import { toHex } from '@sallyport/bytes'
import type { Instant } from '@sallyport/clock'
import { isCodedError } from '@sallyport/errors'
import {
  alertOfRefusal,
  type Certificate,
  certificateToPem,
  type PathAlert,
  type PeerRefusalCode,
  parseCertificate,
  provisioningRecordId,
  validatePath,
} from '@sallyport/pki'
import type { DpsPeer } from './peer.ts'
import type { AdmissionStore, EnrollmentGroup } from './provisioning-store.ts'

export interface Admitted {
  readonly admitted: true
  readonly peer: DpsPeer
}

export interface Refused {
  readonly admitted: false
  readonly code: PeerRefusalCode
  readonly alert: PathAlert
  readonly detail: string
  /** What is certain about the peer when its chain was good and it is refused all the same; such refusals are audited. */
  readonly proven?: {
    readonly organizationId: string | undefined
    readonly recordId: string | undefined
    readonly deviceId: string | undefined
    readonly certificateSha256: string
    readonly commonName: string | undefined
  }
}

export interface AdmissionSources {
  readonly store: AdmissionStore
  /** Authorities of this installation that issue identity certificates. */
  readonly identityAuthorities: readonly Certificate[]
}

/** @throws what the store throws; a peer's fault is always a `Refused`. */
export async function admit(
  chain: readonly Uint8Array[],
  sources: AdmissionSources,
  at: Instant,
): Promise<Admitted | Refused> {
  const presented = parseLeniently(chain)
  const leaf = presented[0]
  if (leaf !== undefined && sources.identityAuthorities.some((authority) => names(authority, leaf))) {
    return await admitIdentity(chain, sources, at)
  }
  return await admitManufacturer(chain, presented, sources.store, at)
}

async function admitManufacturer(
  chain: readonly Uint8Array[],
  presented: readonly Certificate[],
  store: AdmissionStore,
  at: Instant,
): Promise<Admitted | Refused> {
  const issuers = new Set(presented.map((certificate) => sha256(certificate.issuerDer)))
  const groups = issuers.size === 0 ? [] : await store.groupsByAuthoritySubjects([...issuers])
  const authorities = groups.flatMap((group) => group.authorities)
  const result = validatePath({
    chain,
    anchors: authorities.filter((authority) => authority.isLead).map(certificateOf),
    intermediates: authorities.filter((authority) => !authority.isLead).map(certificateOf),
    at,
    purpose: 'manufacturer-device',
  })
  if (!result.valid) return refused(result.code, result.detail)

  const leaf = result.path[0] as Certificate
  const anchor = result.path[result.path.length - 1] as Certificate
  const ledBy = (group: EnrollmentGroup) =>
    group.authorities.some((authority) => authority.isLead && authority.sha256 === anchor.sha256)
  const recordId = provisioningRecordId(leaf.spki)
  const group = groups.find((each) => each.state === 'active' && ledBy(each)) ?? groups.find(ledBy)
  const proven = provenBy(leaf, { organizationId: group?.organizationId, recordId })
  if (group === undefined) return refused('enrollment-missing', 'no enrollment group has this authority', proven)
  const groupRefusal = refusalOfGroup(group, proven)
  if (groupRefusal !== undefined) return groupRefusal
  const record = await store.recordAdmission(recordId)
  if (record?.deviceState === 'blocked') {
    return refused('device-blocked', 'the device of this manufacturer key is blocked', proven)
  }
  return {
    admitted: true,
    peer: {
      kind: 'manufacturer',
      group,
      recordId,
      manufacturer: {
        spkiSha256: leaf.spkiSha256,
        certificateSha256: leaf.sha256,
        certificatePem: result.path
          .slice(0, -1)
          .map((certificate) => certificateToPem(certificate.der))
          .join(''),
        commonName: leaf.commonName,
      },
    },
  }
}

async function admitIdentity(
  chain: readonly Uint8Array[],
  sources: AdmissionSources,
  at: Instant,
): Promise<Admitted | Refused> {
  const result = validatePath({ chain, anchors: sources.identityAuthorities, at, purpose: 'identity-device' })
  if (!result.valid) return refused(result.code, result.detail)
  const leaf = result.path[0] as Certificate
  const recorded = await sources.store.recordedIdentity(leaf.sha256)
  if (recorded === undefined) {
    return refused('certificate-not-recorded', 'no device was issued this certificate', provenBy(leaf, {}))
  }
  const proven = provenBy(leaf, recorded)
  if (recorded.deviceState === 'blocked') return refused('device-blocked', 'the device is blocked', proven)
  if (recorded.deviceState === 'deleted') return refused('certificate-revoked', 'the device was deleted', proven)
  if (recorded.state === 'revoked') return refused('certificate-revoked', 'the certificate was revoked', proven)
  if (recorded.state === 'superseded') {
    return refused('certificate-revoked', 'a newer certificate of the device has taken its place', proven)
  }
  const record = await sources.store.recordAdmission(recorded.recordId)
  const group = record === undefined ? undefined : await sources.store.group(record.groupId)
  if (record === undefined || group === undefined) {
    return refused('enrollment-missing', 'the enrollment of the device is gone', proven)
  }
  const groupRefusal = refusalOfGroup(group, proven)
  if (groupRefusal !== undefined) return groupRefusal
  return {
    admitted: true,
    peer: {
      kind: 'identity',
      group,
      recordId: recorded.recordId,
      deviceId: recorded.deviceId,
      certificateSha256: leaf.sha256,
      manufacturerSpkiSha256: record.manufacturerSpkiSha256,
    },
  }
}

function refusalOfGroup(group: EnrollmentGroup, proven: Refused['proven']): Refused | undefined {
  switch (group.state) {
    case 'active':
      return undefined
    case 'disabled':
      return refused('enrollment-disabled', 'the enrollment group is disabled', proven)
    case 'pending-proof':
      return refused('enrollment-missing', 'possession of the enrollment group’s authority is not proven yet', proven)
  }
}

function refused(code: PeerRefusalCode, detail: string, proven?: Refused['proven']): Refused {
  const refusal = { admitted: false, code, alert: alertOfRefusal[code], detail } as const
  return proven === undefined ? refusal : { ...refusal, proven }
}

const provenBy = (
  leaf: Certificate,
  of: { readonly organizationId?: string | undefined; readonly recordId?: string; readonly deviceId?: string },
): NonNullable<Refused['proven']> => ({
  organizationId: of.organizationId,
  recordId: of.recordId,
  deviceId: of.deviceId,
  certificateSha256: leaf.sha256,
  commonName: leaf.commonName,
})

/** Only to look up who might have issued it: what does not parse is refused by the path validation, with its reason. */
function parseLeniently(chain: readonly Uint8Array[]): Certificate[] {
  const parsed: Certificate[] = []
  for (const der of chain.slice(0, 8)) {
    try {
      parsed.push(parseCertificate(der))
    } catch (error) {
      if (!isCodedError(error)) throw error
    }
  }
  return parsed
}

const certificates = new Map<string, Certificate>()
const maxKeptCertificates = 1000

/** Authorities of groups are parsed once, not at each handshake. */
function certificateOf(authority: { readonly sha256: string; readonly der: Uint8Array }): Certificate {
  const known = certificates.get(authority.sha256)
  if (known !== undefined) return known
  const parsed = parseCertificate(authority.der)
  if (certificates.size >= maxKeptCertificates) certificates.clear()
  certificates.set(authority.sha256, parsed)
  return parsed
}

const names = (authority: Certificate, leaf: Certificate): boolean =>
  Buffer.compare(authority.subjectDer, leaf.issuerDer) === 0

const sha256 = (bytes: Uint8Array): string => toHex(createHash('sha256').update(bytes).digest())
