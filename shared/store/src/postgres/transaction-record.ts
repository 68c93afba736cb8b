/** What goes into each transaction beside the change itself: audit events, outbox rows, jobs, notifications of the database. */

import { randomBytes } from 'node:crypto'
import {
  type AuditActor,
  type AuditDetails,
  type AuditEventType,
  type AuditOutcome,
  auditEventTypes,
  checkAuditDetails,
  type SealedText,
  sealedColumn,
  sealedFieldNames,
} from '@sallyport/audit'
import { type Clock, type Instant, toRfc3339 } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { type EventTopic, type JsonValue, randomBytesOfIdentifier, uuidV7 } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import { checkJobPayload, type JobKind, jobKinds } from '../job-kinds.ts'
import type { NewJob } from '../jobs.ts'
import type { Channel } from '../store.ts'
import { AuditFieldSealer, type SubjectKeyRow } from './audit-field-sealer.ts'
import type { Query } from './database.ts'
import { json, sql } from './sql.ts'

export interface AuditEntry<Type extends AuditEventType = AuditEventType> {
  readonly type: Type
  readonly organizationId: string | undefined
  readonly subjectId: string
  readonly details: AuditDetails<Type>
  /** Default `succeeded`. */
  readonly outcome?: AuditOutcome
  /** Whom the sealed fields tell of, where it is not the subject. */
  readonly userId?: string
}

export interface Announcement {
  readonly topic: EventTopic
  readonly organizationId: string
  readonly deviceId?: string
  /** Without it, the device's. */
  readonly groupId?: string
  /** Nobody else is told. */
  readonly userId?: string
  readonly data: JsonValue
}

export class TransactionRecord {
  readonly #clock: Clock
  /** Transactions that have written down that they happen once. */
  readonly #once = new WeakSet<Query>()

  readonly #fields: AuditFieldSealer

  constructor(clock: Clock) {
    this.#clock = clock
    this.#fields = new AuditFieldSealer(clock)
  }

  newId(): string {
    return uuidV7(this.#clock.now(), randomBytes(randomBytesOfIdentifier))
  }

  async audit<Type extends AuditEventType>(query: Query, act: ActContext, entry: AuditEntry<Type>): Promise<void> {
    await this.auditAll(query, act, [entry])
  }

  async auditAll<Type extends AuditEventType>(
    query: Query,
    act: ActContext,
    entries: readonly AuditEntry<Type>[],
  ): Promise<void> {
    const [first] = entries
    if (first === undefined) return
    await this.#beOnce(query, act, first)
    const keys = new Map<string, SubjectKeyRow>()
    const rows: object[] = []
    for (const entry of entries) rows.push(await this.#row(query, act, entry, keys))
    // A key that is there already stays as it is, also when it was destroyed.
    const sealed =
      keys.size === 0
        ? sql``
        : sql`with keys as (
            insert into audit_subject_key (id, organization_id, subject, opening_key_id, sealed_key)
            select id, organization_id, subject, opening_key_id, sealed_key
            from jsonb_populate_recordset(null::audit_subject_key, ${json([...keys.values()])}) on conflict do nothing
          ) `
    await query.run(sql`${sealed}
      insert into audit_event (id, organization_id, type, severity, outcome, actor_kind, actor_id, actor_name, address,
        subject_kind, subject_id, correlation_id, details)
      select id, organization_id, type, severity, outcome, actor_kind, actor_id, actor_name, address,
        subject_kind, subject_id, correlation_id, details
      from jsonb_populate_recordset(null::audit_event, ${json(rows)})`)
  }

  /** @param keys what the event is sealed with is added to them */
  async #row(
    query: Query,
    act: ActContext,
    { type, organizationId, subjectId, details, outcome = 'succeeded', userId }: AuditEntry,
    keys: Map<string, SubjectKeyRow>,
  ): Promise<object> {
    const id = this.newId()
    query.audited({ auditEvent: id, type, correlationId: act.correlationId })
    const seal = async (field: string, text: string, subject: string): Promise<SealedText> => {
      const { sealed, key } = await this.#fields.seal(query, text, { eventId: id, field, organizationId, subject })
      keys.set(key.id, key)
      return sealed
    }
    const stored: { [name: string]: unknown } = { ...checkAuditDetails(type, details) }
    const subject = userId === undefined ? `${auditEventTypes[type].subject}/${subjectId}` : `user/${userId}`
    for (const name of sealedFieldNames(type)) {
      const text = stored[name]
      if (typeof text === 'string') stored[name] = await seal(name, text, subject)
    }
    const acting = subjectOf(act.actor, this.#clock.now())
    const address =
      act.address === undefined || acting === undefined
        ? act.address
        : sealedColumn(await seal('address', act.address, acting))
    return {
      id,
      organization_id: organizationId,
      type,
      severity: auditEventTypes[type].severity,
      outcome,
      actor_kind: act.actor.kind,
      actor_id: act.actor.id,
      actor_name: act.actor.name,
      address,
      subject_kind: auditEventTypes[type].subject,
      subject_id: subjectId,
      correlation_id: act.correlationId,
      details: stored,
    }
  }

  /**
   * Another transaction with the same key is waited for: its commit makes this one fail, its roll-back lets this one go on.
   * @throws CodedError `idempotency-in-progress`
   */
  async #beOnce(query: Query, { once }: ActContext, { type, subjectId }: AuditEntry): Promise<void> {
    if (once === undefined || this.#once.has(query)) return
    const { organizationId, callerId, keySha256, fingerprint, attempt } = once
    const written = await query.run(sql`
      insert into idempotency_key (organization_id, caller_id, key_sha256, fingerprint, attempt, subject_kind, subject_id)
      values (${organizationId}, ${callerId}, ${keySha256}, ${fingerprint}, ${attempt},
        ${auditEventTypes[type].subject}, ${subjectId})
      on conflict do nothing`)
    if (written === 0) {
      throw new CodedError('idempotency-in-progress', 'Another request with this Idempotency-Key was first.', {
        details: { retryAfterSeconds: 1 },
      })
    }
    this.#once.add(query)
  }

  async announce(query: Query, act: ActContext, ...announcements: readonly Announcement[]): Promise<void> {
    if (announcements.length === 0) return
    const rows = announcements.map(({ topic, organizationId, deviceId, groupId, userId, data }) => ({
      id: this.newId(),
      topic,
      organization_id: organizationId,
      device_id: deviceId,
      group_id: groupId,
      user_id: userId,
      correlation_id: act.correlationId,
      data,
    }))
    await query.run(sql`
      insert into outbox (id, topic, organization_id, device_id, group_id, user_id, correlation_id, data)
      select id, topic, organization_id, device_id,
        coalesce(group_id, (select device.group_id from device where device.id = device_id)), user_id, correlation_id, data
      from jsonb_populate_recordset(null::outbox, ${json(rows)})`)
    query.wake('outbox')
  }

  /** Work that begins once the transaction is committed, and never if it is not. @returns the ids, in order. */
  async enqueue(query: Query, act: ActContext, ...jobs: readonly NewJob[]): Promise<readonly string[]> {
    if (jobs.length === 0) return []
    const rows = jobs.map(({ kind, organizationId, payload }) => ({
      id: this.newId(),
      organization_id: organizationId,
      kind,
      payload: checkJobPayload(kind, payload),
      about: describe(kind, payload).slice(0, 600),
      correlation_id: act.correlationId,
    }))
    await query.run(sql`
      insert into job (id, organization_id, kind, payload, about, correlation_id)
      select id, organization_id, kind, payload, about, correlation_id
      from jsonb_populate_recordset(null::job, ${json(rows)})`)
    query.wake('jobs')
    return rows.map(({ id }) => id)
  }

  async notify(query: Query, channel: Channel, payload: Readonly<{ [name: string]: string }>): Promise<void> {
    await query.run(sql`select pg_notify(${channel}, ${JSON.stringify(payload)})`)
  }
}

function describe(kind: JobKind, payload: NewJob['payload']): string {
  return jobKinds[kind].describe(payload)
}

/** Whose key seals the address of who acts: a person's. People of whom nothing is known share one for each month. */
function subjectOf({ kind, id }: AuditActor, now: Instant): string | undefined {
  if (kind === 'device' || kind === 'service' || kind === 'system') return undefined
  return id === 'unknown' ? `anonymous/${toRfc3339(now).slice(0, 7)}` : `${kind}/${id}`
}
