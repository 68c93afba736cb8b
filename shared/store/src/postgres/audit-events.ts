import {
  type AuditActorKind,
  type AuditEvent,
  type AuditEventType,
  type AuditOutcome,
  type AuditSeverity,
  type AuditSubjectKind,
  checkAuditDetails,
} from '@sallyport/audit'
import type { Instant } from '@sallyport/clock'
import type { ActContext } from '../act.ts'
import type { AccessRefusal, AuditEventFilter, AuditEventRecord, AuditEvents } from '../audit-events.ts'
import type { Page, PageRequest } from '../page.ts'
import { beforeCursor, pageWindow, toPage } from './cursor.ts'
import type { Database } from './database.ts'
import { present } from './row.ts'
import { allOf, sql, time } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

export interface AuditRow {
  readonly id: string
  readonly organizationId: string | null
  readonly type: AuditEventType
  readonly severity: AuditSeverity
  readonly outcome: AuditOutcome
  readonly actorKind: AuditActorKind
  readonly actorId: string
  readonly actorName: string | null
  readonly address: string | null
  readonly subjectKind: AuditSubjectKind
  readonly subjectId: string
  readonly correlationId: string
  readonly details: unknown
  readonly occurredAt: Instant
}

export const auditColumns = sql`id, organization_id as "organizationId", type, severity, outcome,
  actor_kind as "actorKind", actor_id as "actorId", actor_name as "actorName", address, subject_kind as "subjectKind",
  subject_id as "subjectId", correlation_id as "correlationId", details, occurred_at as "occurredAt"`

export class PostgresAuditEvents implements AuditEvents {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async list(organizationId: string, request: PageRequest & AuditEventFilter): Promise<Page<AuditEventRecord>> {
    const window = pageWindow(request)
    const { type, actorId, subjectId, from, to, correlationId, outcome } = request
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<AuditRow>(sql`
        select ${auditColumns} from audit_event
        where ${allOf([
          sql`organization_id = ${organizationId}`,
          type === undefined ? undefined : sql`type = ${type}`,
          actorId === undefined ? undefined : sql`actor_id = ${actorId}`,
          subjectId === undefined ? undefined : sql`subject_id = ${subjectId}`,
          correlationId === undefined ? undefined : sql`correlation_id = ${correlationId}`,
          outcome === undefined ? undefined : sql`outcome = ${outcome}`,
          from === undefined ? undefined : sql`occurred_at >= ${time(from)}`,
          to === undefined ? undefined : sql`occurred_at < ${time(to)}`,
          beforeCursor(window, { at: sql`occurred_at`, id: sql`id` }),
        ])}
        order by occurred_at desc, id desc limit ${window.limit + 1}`),
    )
    return toPage(rows, window, (row) => ({ at: row.occurredAt, id: row.id }), toAuditEvent)
  }

  async recordAuthentication(
    authentication: Parameters<AuditEvents['recordAuthentication']>[0],
    act: ActContext,
  ): Promise<void> {
    const { organizationId, deviceId, outcome, ...details } = authentication
    const { stage, ...optional } = details
    await this.#database.transaction(async (query) => {
      const device = await query.first<{ readonly organizationId: string }>(
        sql`select organization_id as "organizationId" from device where id = ${deviceId}`,
      )
      await this.#record.audit(query, act, {
        type: 'device.authenticated',
        organizationId: organizationId ?? device?.organizationId,
        subjectId: deviceId,
        outcome,
        details: { stage, ...present(optional) },
      })
    })
  }

  async recordAdmissionRefusal(
    refusal: Parameters<AuditEvents['recordAdmissionRefusal']>[0],
    act: ActContext,
  ): Promise<void> {
    const { organizationId, code, detail, certificateSha256, commonName, recordId } = refusal
    await this.#database.transaction((query) =>
      this.#record.audit(query, act, {
        type: 'provisioning.refused',
        organizationId,
        subjectId: certificateSha256 ?? 'unknown',
        outcome: 'failed',
        details: {
          code,
          detail: detail.slice(0, 1000),
          ...present({ commonName: commonName?.slice(0, 256), recordId }),
        },
      }),
    )
  }

  async recordExport(exported: Parameters<AuditEvents['recordExport']>[0], act: ActContext): Promise<void> {
    const { organizationId, from, to, after, last } = exported
    await this.#database.of(organizationId).transaction((query) =>
      this.#record.audit(query, act, {
        type: 'audit.exported',
        organizationId,
        subjectId: organizationId,
        details: { after, last, ...present({ from, to }) },
      }),
    )
  }

  async recordRefusals(refusals: readonly AccessRefusal[]): Promise<void> {
    await this.#database.transaction(async (query) => {
      for (const { code, route, organizationId, permission, policy, leftOut, ...act } of refusals) {
        await this.#record.audit(query, act, {
          type: 'access.refused',
          organizationId,
          subjectId: route,
          outcome: 'failed',
          details: { code, ...present({ permission, policy, leftOut }) },
        })
      }
    })
  }

  async countAdmissionFailures(rows: Parameters<AuditEvents['countAdmissionFailures']>[0]): Promise<void> {
    if (rows.length === 0) return
    const sums = new Map<string, (typeof rows)[number]>()
    for (const row of rows) {
      const key = `${row.minute} ${row.prefix} ${row.reason}`
      sums.set(key, { ...row, count: row.count + (sums.get(key)?.count ?? 0) })
    }
    // In one order, so that two services that count the same wait for each other and do not deadlock.
    const sorted = [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
    await this.#database.transaction((query) =>
      query.run(sql`
        insert into admission_failure (prefix, reason, minute, count)
        select * from unnest(${sorted.map((row) => row.prefix)}::text[], ${sorted.map((row) => row.reason)}::text[],
          ${sorted.map((row) => time(row.minute))}::timestamptz[], ${sorted.map((row) => row.count)}::bigint[])
        on conflict (minute, prefix, reason) do update set count = admission_failure.count + excluded.count`),
    )
  }
}

export function toAuditEvent(row: AuditRow): AuditEventRecord {
  const event: AuditEvent = {
    id: row.id,
    type: row.type,
    occurredAt: row.occurredAt,
    ...present({ organizationId: row.organizationId, address: row.address }),
    actor: { kind: row.actorKind, id: row.actorId, ...present({ name: row.actorName }) },
    subject: { kind: row.subjectKind, id: row.subjectId },
    outcome: row.outcome,
    correlationId: row.correlationId,
    details: checkAuditDetails(row.type, row.details),
  }
  return { ...event, severity: row.severity }
}
