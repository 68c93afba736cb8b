/**
 * The hash chain over the audit trail: each entry binds one event to everything before it, and a signed head binds it all
 * to a key that lies in an HSM. Who changes, removes, inserts or reorders a row breaks a hash; who recomputes all hashes
 * from there on breaks a signature.
 *
 *   event   SHA-256( 0x00 ‖ RFC 8785 of the event )                               the leaf of RFC 6962 section 2.1
 *   entry   SHA-256( "sallyport audit entry 1" ‖ 0x00 ‖ sequence(8) ‖ entry before(32) ‖ event(32) )
 *   head    "sallyport audit head 1" ‖ 0x00 ‖ sequence(8) ‖ entry(32) ‖ signed at(8, milliseconds since the Unix epoch)
 *
 * An event has no place of its own: the sealer gives it one after its transaction has committed.
 */

import { createHash } from 'node:crypto'
import { ByteWriter, utf8 } from '@sallyport/bytes'
import { type Instant, toRfc3339 } from '@sallyport/clock'
import type { AuditEvent } from './audit-event.ts'
import type { AuditSeverity } from './audit-event-types.ts'
import { type CanonicalValue, canonicalJson } from './canonical-json.ts'

/** As it stands in the trail. */
export type SealableEvent = AuditEvent & { readonly severity: AuditSeverity }

export interface ChainPosition {
  /** 1 for the first entry, and one more for each; 0 before it. */
  readonly sequence: number
  /** 32 bytes; before the first entry all zero. */
  readonly sha256: Uint8Array
}

export interface ChainEntry extends ChainPosition {
  readonly eventId: string
  /** 32 bytes. */
  readonly eventSha256: Uint8Array
}

export interface ChainHead extends ChainPosition {
  readonly signedAt: Instant
}

export const beforeFirstEntry: ChainPosition = { sequence: 0, sha256: new Uint8Array(32) }

/** The event as it is hashed, and as an export holds it. */
export function eventDocument(event: SealableEvent): { readonly [name: string]: CanonicalValue | undefined } {
  const { id, type, severity, occurredAt, organizationId, actor, address, subject, outcome, correlationId } = event
  return {
    id,
    type,
    severity,
    occurredAt: toRfc3339(occurredAt),
    organizationId,
    actor: { kind: actor.kind, id: actor.id, name: actor.name },
    address,
    subject: { kind: subject.kind, id: subject.id },
    outcome,
    correlationId,
    details: event.details as CanonicalValue,
  }
}

export const eventSha256 = (event: SealableEvent): Uint8Array => documentSha256(eventDocument(event))

/** Of an event as `eventDocument` gives it, whatever it holds: an export of a later version is hashed as it is. */
export const documentSha256 = (document: CanonicalValue): Uint8Array =>
  createHash('sha256').update(Uint8Array.of(0)).update(canonicalJson(document)).digest()

/** The entry that follows `previous`. */
export function chainEntry(previous: ChainPosition, eventId: string, event: Uint8Array): ChainEntry {
  const sequence = previous.sequence + 1
  const sha256 = createHash('sha256')
    .update(withPosition('sallyport audit entry 1', { sequence, sha256: previous.sha256 }).bytes(event).finish())
    .digest()
  return { sequence, sha256, eventId, eventSha256: event }
}

/** What the signature of a head is over. */
export const headBytes = (head: ChainHead): Uint8Array =>
  writeU64(withPosition('sallyport audit head 1', head), head.signedAt).finish()

const withPosition = (domain: string, { sequence, sha256 }: ChainPosition): ByteWriter =>
  writeU64(new ByteWriter(128).bytes(utf8(domain)).u8(0), sequence).bytes(sha256)

const writeU64 = (to: ByteWriter, value: number): ByteWriter => to.u16(0).u48(value)
