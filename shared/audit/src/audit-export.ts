/**
 * The audit trail of one organization as lines of JSON, which can be proven without us: every entry of the chain from one signed head to
 * another, the organization's own events in full, of all others the hash alone. The chain is that of the whole installation: with
 * the hashes of the others it can be computed from end to end, and nothing is told of them but how many there were. An event holds
 * a random id, so that its hash cannot be guessed.
 *
 *   export   what this is, where it begins, the keys that signed its heads
 *   head     a signed head, before the entry that it is over
 *   event    an entry with its event (RFC 8785 of `event` is what was hashed)
 *   others   the hashes of events of others that follow each other
 *   end      where it ends: a file without it was cut off
 *
 * Hashes are hexadecimal, keys and signatures base64.
 */

import type { CanonicalValue } from './canonical-json.ts'

export const auditExportVersion = 1

export interface AuditExportStart {
  readonly line: 'export'
  readonly version: typeof auditExportVersion
  readonly organizationId: string
  readonly exportedAt: string
  /** As it was asked for; what lies between the heads around it is in the export. */
  readonly from?: string
  readonly to?: string
  /** The entry before the first one here: of a signed head, or sequence 0. */
  readonly after: { readonly sequence: number; readonly sha256: string }
  readonly keys: readonly { readonly id: string; readonly spki: string }[]
}

export interface AuditExportHead {
  readonly line: 'head'
  readonly sequence: number
  readonly sha256: string
  readonly signedAt: string
  readonly keyId: string
  /** DER ECDSA-Sig-Value with SHA-256 over `headBytes`. */
  readonly signature: string
}

export interface AuditExportEvent {
  readonly line: 'event'
  readonly sequence: number
  readonly sha256: string
  readonly eventSha256: string
  /** Null: the trail has it no more. */
  readonly event: { readonly [name: string]: CanonicalValue | undefined } | null
}

export interface AuditExportOthers {
  readonly line: 'others'
  /** Of the first. */
  readonly sequence: number
  /** Of the last entry. */
  readonly sha256: string
  readonly eventSha256: readonly string[]
}

export interface AuditExportEnd {
  readonly line: 'end'
  readonly sequence: number
  readonly sha256: string
}

export type AuditExportLine = AuditExportStart | AuditExportHead | AuditExportEvent | AuditExportOthers | AuditExportEnd
