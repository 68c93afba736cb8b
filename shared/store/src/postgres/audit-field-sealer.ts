/**
 * Seals what an audit event tells of a person, before it is written: under a key of that person which this process made, sealed by HPKE to
 * the audit-opening key. Nobody but the control plane's HSM opens it again, this process neither once it has forgotten the key.
 *
 * Without an audit-opening key nothing of the kind is written, and the act with it not.
 */

import { createECDH, createPublicKey, randomBytes } from 'node:crypto'
import { hpkeSeal, pointOf, type SealedText, sealText, subjectKeyContext, subjectKeyPurpose } from '@sallyport/audit'
import { concat, toHex } from '@sallyport/bytes'
import { type Clock, hours, type Instant, later, minutes } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { randomBytesOfIdentifier, uuidV7 } from '@sallyport/fleet'
import type { Query } from './database.ts'
import { sql } from './sql.ts'

/** As a row of `audit_subject_key`. */
export interface SubjectKeyRow {
  readonly id: string
  readonly organization_id: string | undefined
  readonly subject: string
  readonly opening_key_id: string
  /** bytea, as text. */
  readonly sealed_key: string
}

interface SubjectKey {
  readonly row: SubjectKeyRow
  readonly bytes: Uint8Array
  readonly until: Instant
}

const keptFor = hours(1)
const mostKept = 2000
const openingKeyKeptFor = minutes(1)

export class AuditFieldSealer {
  readonly #clock: Clock
  readonly #keys = new Map<string, SubjectKey>()
  #opening: { readonly id: string; readonly point: Uint8Array; readonly until: Instant } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * @returns the sealed text, and the row of the key, to be written in the same transaction each time: it may not be there yet.
   * @throws CodedError `dependency-unavailable` while no control plane has made an audit-opening key.
   */
  async seal(
    query: Query,
    text: string,
    place: {
      readonly eventId: string
      readonly field: string
      readonly organizationId: string | undefined
      readonly subject: string
    },
  ): Promise<{ readonly sealed: SealedText; readonly key: SubjectKeyRow }> {
    const { row, bytes } = await this.#keyOf(query, place.organizationId, place.subject)
    return { sealed: sealText(text, { id: row.id, bytes }, place, randomBytes(12)), key: row }
  }

  async #keyOf(query: Query, organizationId: string | undefined, subject: string): Promise<SubjectKey> {
    const name = `${organizationId ?? ''} ${subject}`
    const known = this.#keys.get(name)
    const opening = await this.#openingKey(query)
    if (known !== undefined && this.#clock.now() < known.until && known.row.opening_key_id === opening.id) return known
    const key = this.#makeKey(opening, organizationId, subject)
    this.#keys.delete(name)
    this.#keys.set(name, key)
    const oldest = this.#keys.size > mostKept ? this.#keys.keys().next().value : undefined
    if (oldest !== undefined) this.#keys.delete(oldest)
    return key
  }

  #makeKey(
    opening: { readonly id: string; readonly point: Uint8Array },
    organizationId: string | undefined,
    subject: string,
  ): SubjectKey {
    const bytes = new Uint8Array(randomBytes(32))
    const id = uuidV7(this.#clock.now(), randomBytes(randomBytesOfIdentifier))
    const ephemeral = createECDH('prime256v1')
    const encapsulated = new Uint8Array(ephemeral.generateKeys())
    const sealedKey = hpkeSeal(
      {
        encapsulated,
        recipient: opening.point,
        sharedSecret: ephemeral.computeSecret(opening.point),
        info: subjectKeyPurpose,
      },
      { plaintext: bytes, additionalData: subjectKeyContext({ id, organizationId, subject }) },
    )
    return {
      row: {
        id,
        organization_id: organizationId,
        subject,
        opening_key_id: opening.id,
        sealed_key: `\\x${toHex(concat(encapsulated, sealedKey))}`,
      },
      bytes,
      until: later(this.#clock.now(), keptFor),
    }
  }

  async #openingKey(query: Query): Promise<{ readonly id: string; readonly point: Uint8Array }> {
    if (this.#opening !== undefined && this.#clock.now() < this.#opening.until) return this.#opening
    const row = await query.first<{ readonly id: string; readonly spki: Uint8Array }>(
      sql`select id, spki from audit_opening_key order by recorded_at desc, id limit 1`,
    )
    if (row === undefined) {
      throw new CodedError('dependency-unavailable', 'No control plane has made the key that opens audit events yet.')
    }
    // Refuses what is no point of the curve, once for all that is sealed to it.
    createPublicKey({ key: Buffer.from(row.spki), format: 'der', type: 'spki' })
    this.#opening = {
      id: row.id,
      point: new Uint8Array(pointOf(row.spki)),
      until: later(this.#clock.now(), openingKeyKeptFor),
    }
    return this.#opening
  }
}
