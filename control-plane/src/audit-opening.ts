/**
 * Opens what the audit trail tells of people: each person's key is opened by the audit-opening key, which never leaves the HSM token `kek`,
 * and kept for a while. Whose key was destroyed is `erased`; what cannot be opened now, since the HSM is away or slow, is `unavailable`,
 * and the rest of the event is shown all the same.
 */

import { randomUUID } from 'node:crypto'
import {
  hpkeOpen,
  isSealedText,
  openText,
  pointOf,
  type SealedText,
  sealedFieldNames,
  sealedInColumn,
  subjectKeyContext,
  subjectKeyPurpose,
} from '@sallyport/audit'
import { SecretBytes, toHex } from '@sallyport/bytes'
import { type Clock, type Duration, later, minutes, seconds } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError, hasCode } from '@sallyport/errors'
import type { Token, TokenKey } from '@sallyport/hsm'
import type { AuditEventRecord, Store, SubjectKey } from '@sallyport/store'

export type SealedFieldState = 'opened' | 'erased' | 'unavailable'

export interface OpenedEvent {
  readonly event: AuditEventRecord
  /** Of `address`, or of a field of the details. */
  readonly sealed: ReadonlyMap<string, SealedField>
}

export interface SealedField {
  readonly state: SealedFieldState
  /** Where it is `opened`. */
  readonly text?: string
}

export interface AuditOpening {
  /** Never fails for what cannot be opened. @throws CodedError `database-unavailable` */
  open(organizationId: string, events: readonly AuditEventRecord[]): Promise<readonly OpenedEvent[]>
}

type Port = Pick<Token, 'listEcKeys' | 'generateEcKey' | 'findEcKey'>

const label = 'audit-opening'
/** For all the keys of one page: an HSM that answers ten times a second opens as many as it can. */
const longestOpening: Duration = seconds(3)
const mostKept = 10_000
const keptFor = minutes(10)
const pointBytes = 65

/**
 * The first control plane of an installation makes the key in the HSM; its public half is recorded, for all services to seal to.
 * @throws CodedError `hsm-unavailable`, `database-unavailable`: without the key nothing may start.
 */
export async function openAuditOpening(options: {
  readonly store: Pick<Store, 'auditSubjects' | 'withAdvisoryLock'>
  readonly token: Port
  readonly clock: Clock
  readonly log: Logger
}): Promise<AuditOpening> {
  const { store, token, clock, log } = options
  await store.withAdvisoryLock('audit opening key', async () => {
    const found = (await token.listEcKeys()).find((key) => key.label === label)
    const key = found ?? (await token.generateEcKey({ label, curve: 'P-256', use: 'agree' }))
    await store.auditSubjects.recordOpeningKey(
      { id: toHex(key.id), spki: key.spki },
      { actor: { kind: 'service', id: 'control-plane' }, correlationId: randomUUID() },
    )
  })
  const opened = new Map<string, { readonly key: SecretBytes; readonly until: number }>()

  async function inToken(id: string): Promise<TokenKey> {
    const record = (await store.auditSubjects.openingKeys()).find((key) => key.id === id)
    if (record === undefined) throw new CodedError('hsm-key-missing', `the audit-opening key ${id} is not recorded`)
    return await token.findEcKey({ id: Buffer.from(id, 'hex'), publicKey: record.spki })
  }

  async function openKey(row: SubjectKey & { readonly sealedKey: Uint8Array }, key: TokenKey): Promise<SecretBytes> {
    const known = opened.get(row.id)
    if (known !== undefined && clock.now() < known.until) return known.key
    const encapsulated = row.sealedKey.subarray(0, pointBytes)
    const sharedSecret = await key.agree(encapsulated)
    const bytes = hpkeOpen(
      { encapsulated, recipient: pointOf(key.spki), sharedSecret, info: subjectKeyPurpose },
      {
        ciphertext: row.sealedKey.subarray(pointBytes),
        additionalData: subjectKeyContext({ id: row.id, organizationId: row.organizationId, subject: row.subject }),
      },
    )
    const secret = new SecretBytes(bytes)
    opened.delete(row.id)
    opened.set(row.id, { key: secret, until: later(clock.now(), keptFor) })
    const oldest = opened.size > mostKept ? opened.keys().next().value : undefined
    if (oldest !== undefined) opened.delete(oldest)
    return secret
  }

  /** Undefined: not now. */
  async function keysOf(rows: readonly SubjectKey[]): Promise<ReadonlyMap<string, SecretBytes>> {
    const keys = new Map<string, SecretBytes>()
    const inHsm = new Map<string, TokenKey>()
    const deadline = later(clock.now(), longestOpening)
    for (const { sealedKey, ...row } of rows) {
      if (sealedKey === undefined) continue
      if (clock.now() > deadline) break
      try {
        const key = inHsm.get(row.openingKeyId) ?? (await inToken(row.openingKeyId))
        inHsm.set(row.openingKeyId, key)
        keys.set(row.id, await openKey({ ...row, sealedKey }, key))
      } catch (error) {
        log.warn({ err: error, keyId: row.id }, 'a field of the audit trail cannot be opened')
        // The next one would wait for the same.
        if (hasCode(error, 'hsm-unavailable')) break
        if (!hasCode(error, 'hsm-key-missing', 'sealed-value-invalid')) throw error
      }
    }
    return keys
  }

  return {
    async open(organizationId, events) {
      const sealedIn = events.map((event) => ({ event, fields: sealedFieldsOf(event) }))
      const ids = new Set(sealedIn.flatMap(({ fields }) => fields.map(([, { key }]) => key)))
      const rows = await store.auditSubjects.keys(organizationId, [...ids])
      const erased = new Set(rows.filter(({ sealedKey }) => sealedKey === undefined).map(({ id }) => id))
      for (const id of erased) opened.delete(id)
      const subjects = new Map(rows.map(({ id, subject }) => [id, subject]))
      const keys = await keysOf(rows)
      const shown = (eventId: string, field: string, sealed: SealedText): SealedField => {
        if (erased.has(sealed.key)) return { state: 'erased' }
        const place = { eventId, field, subject: subjects.get(sealed.key) ?? '' }
        const text = textIn(sealed, keys.get(sealed.key), place)
        return text === undefined ? { state: 'unavailable' } : { state: 'opened', text }
      }
      return sealedIn.map(({ event, fields }) => ({
        event,
        sealed: new Map(fields.map(([field, sealed]) => [field, shown(event.id, field, sealed)])),
      }))
    },
  }
}

function sealedFieldsOf(event: AuditEventRecord): readonly (readonly [string, SealedText])[] {
  const address = event.address === undefined ? undefined : sealedInColumn(event.address)
  const details: { readonly [name: string]: unknown } = { ...event.details }
  return [
    ...(address === undefined ? [] : [['address', address] as const]),
    ...sealedFieldNames(event.type).flatMap((name) => {
      const value = details[name]
      return isSealedText(value) ? [[name, value] as const] : []
    }),
  ]
}

function textIn(
  sealed: SealedText,
  key: SecretBytes | undefined,
  place: { readonly eventId: string; readonly field: string; readonly subject: string },
): string | undefined {
  if (key === undefined) return undefined
  try {
    return openText(sealed, key.expose(), place)
  } catch (error) {
    if (hasCode(error, 'sealed-value-invalid', 'malformed-bytes')) return undefined
    throw error
  }
}
