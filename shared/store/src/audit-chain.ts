/** The hash chain over the audit trail (`@sallyport/audit`), its signed heads, and the keys that signed them. */

import type { ChainEntry, ChainHead, ChainPosition } from '@sallyport/audit'
import type { Instant } from '@sallyport/clock'
import type { AuditEventRecord } from './audit-events.ts'

export interface AuditHeadKey {
  /** 32 hexadecimal digits: the key's id in its token. */
  readonly id: string
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
}

export interface SignedHead extends ChainHead {
  readonly keyId: string
  /** DER ECDSA-Sig-Value over `headBytes`. */
  readonly signature: Uint8Array
}

export interface SealedEvent {
  readonly entry: ChainEntry
  /** Undefined when the trail has it no more: somebody got around the database's own guard. */
  readonly event: AuditEventRecord | undefined
}

export interface OrganizationEntry {
  readonly entry: ChainEntry
  /** `'hidden'`: of another organization, or of none. */
  readonly event: AuditEventRecord | 'hidden'
}

export interface AuditChain {
  /**
   * Gives up to `limit` committed events their place, oldest first. Two who seal at once do it one after the other.
   *
   * @returns how many, and the last entry of the chain.
   */
  seal(limit: number): Promise<{ readonly sealed: number; readonly last: ChainPosition }>
  /** When the oldest event happened that has no place yet; undefined when all have theirs. */
  oldestUnsealed(): Promise<Instant | undefined>
  /** Does nothing for one that is known. */
  recordHeadKey(key: AuditHeadKey): Promise<void>
  headKeys(): Promise<readonly AuditHeadKey[]>
  /** @throws CodedError `conflict` for a head that is none of this chain. */
  recordHead(head: SignedHead): Promise<void>
  lastHead(): Promise<SignedHead | undefined>
  /** In order of sequence, after `after`. */
  heads(after: number, limit: number): Promise<readonly SignedHead[]>
  /**
   * The signed heads around a span of time: every event of the organization that happened in it has its place between them.
   * Undefined while nothing was signed.
   * @param span without `from` from the beginning of the chain, without `to` up to the last head
   */
  headsAround(
    organizationId: string,
    span: { readonly from?: Instant | undefined; readonly to?: Instant | undefined },
  ): Promise<{ readonly after: ChainPosition; readonly last: SignedHead } | undefined>
  /** In order of sequence, after `after`: of all organizations the entry, of this one the event with it. */
  entriesOf(organizationId: string, after: number, limit: number): Promise<readonly OrganizationEntry[]>
  /** In order of sequence, after `after`; of all organizations. */
  entries(after: number, limit: number): Promise<readonly SealedEvent[]>
}
