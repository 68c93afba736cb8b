import type { ActContext } from '../act.ts'
import type { AuditOpeningKey, AuditSubjects, SubjectKey } from '../audit-subjects.ts'
import type { Database } from './database.ts'
import { present } from './row.ts'
import { sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

interface Row {
  readonly id: string
  readonly organizationId: string | null
  readonly subject: string
  readonly openingKeyId: string
  readonly sealedKey: Uint8Array | null
}

export class PostgresAuditSubjects implements AuditSubjects {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  openingKeys(): Promise<readonly AuditOpeningKey[]> {
    return this.#database.read((query) =>
      query.rows<AuditOpeningKey>(sql`select id, spki from audit_opening_key order by recorded_at, id desc`),
    )
  }

  async recordOpeningKey({ id, spki }: AuditOpeningKey, act: ActContext): Promise<void> {
    await this.#database.transaction(async (query) => {
      const made = await query.run(
        sql`insert into audit_opening_key (id, spki) values (${id}, ${spki}) on conflict (id) do nothing`,
      )
      if (made === 0) return
      await this.#record.audit(query, act, {
        type: 'audit-opening-key.created',
        organizationId: undefined,
        subjectId: id,
        details: {},
      })
    })
  }

  async keys(organizationId: string, ids: readonly string[]): Promise<readonly SubjectKey[]> {
    if (ids.length === 0) return []
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<Row>(sql`
        select id, organization_id as "organizationId", subject, opening_key_id as "openingKeyId", sealed_key as "sealedKey"
        from audit_subject_key where organization_id = ${organizationId} and id = any(${ids}::uuid[])`),
    )
    return rows.map(({ id, subject, openingKeyId, sealedKey, ...row }) => ({
      id,
      subject,
      openingKeyId,
      ...present({ organizationId: row.organizationId, sealedKey }),
    }))
  }

  erase(subject: string, act: ActContext): Promise<number> {
    return this.#database.transaction(async (query) => {
      // Whoever writes about it now comes before, and is erased; or after, and finds that it was.
      await query.run(sql`select pg_advisory_xact_lock(hashtextextended('sallyport audit subject ' || ${subject}, 0))`)
      const erased = await query.rows<{ readonly organizationId: string | null }>(sql`
        update audit_subject_key set sealed_key = null, erased_at = clock_timestamp()
        where subject = ${subject} and sealed_key is not null returning organization_id as "organizationId"`)
      const organizations = new Set(erased.map(({ organizationId }) => organizationId))
      for (const organizationId of organizations) {
        await this.#record.audit(query, act, {
          type: 'audit-subject.erased',
          organizationId: organizationId ?? undefined,
          subjectId: subject,
          details: { keys: erased.filter((row) => row.organizationId === organizationId).length },
        })
      }
      return erased.length
    })
  }
}
