import { createHash } from 'node:crypto'
import { toHex } from '@sallyport/bytes'
import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { AuthorityRole } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { Authorities, AuthorityRecord, Hub } from '../installation.ts'
import type { Database } from './database.ts'
import { sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

/** For what a service does of itself at its start. */
const actOfStart = (record: TransactionRecord, id: string): ActContext => ({
  actor: { kind: 'system', id },
  correlationId: record.newId(),
})

export class PostgresHub implements Hub {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async ensure(hubId: string): Promise<void> {
    const present = await this.#database.transaction(async (query) => {
      const made = await query.run(sql`insert into hub (hub_id) values (${hubId}) on conflict do nothing`)
      if (made === 1) {
        await this.#record.audit(query, actOfStart(this.#record, 'hub'), {
          type: 'hub.recorded',
          organizationId: undefined,
          subjectId: hubId,
          details: {},
        })
        return hubId
      }
      const row = await query.first<{ readonly hubId: string }>(sql`select hub_id as "hubId" from hub`)
      return row?.hubId
    })
    if (present?.toLowerCase() === hubId.toLowerCase()) return
    throw new CodedError(
      'configuration-invalid',
      `The database belongs to hub ${present ?? '?'}, the gateway's certificate says ${hubId}: use the certificate or the database of the same installation.`,
    )
  }

  read() {
    return this.#database.read((query) =>
      query.first<{ readonly hubId: string }>(sql`select hub_id as "hubId" from hub`),
    )
  }
}

export class PostgresAuthorities implements Authorities {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async record({ role, certificateDer, keyId }: Parameters<Authorities['record']>[0]): Promise<void> {
    const sha256 = toHex(createHash('sha256').update(certificateDer).digest())
    await this.#database.transaction(async (query) => {
      const made = await query.run(sql`
        insert into certificate_authority (sha256, role, certificate_der, key_id)
        values (${sha256}, ${role}, ${certificateDer}, ${keyId}) on conflict do nothing`)
      if (made === 0) return
      await this.#record.audit(query, actOfStart(this.#record, 'authorities'), {
        type: 'authority.recorded',
        organizationId: undefined,
        subjectId: sha256,
        details: { role, ...(keyId === undefined ? {} : { keyId }) },
      })
    })
  }

  async byRole(role: AuthorityRole): Promise<readonly AuthorityRecord[]> {
    interface Row {
      readonly role: AuthorityRole
      readonly certificateDer: Uint8Array
      readonly sha256: string
      readonly keyId: string | null
      readonly recordedAt: Instant
    }
    const rows = await this.#database.read((query) =>
      query.rows<Row>(sql`
        select role, certificate_der as "certificateDer", sha256, key_id as "keyId", recorded_at as "recordedAt"
        from certificate_authority where role = ${role} order by recorded_at desc, sha256`),
    )
    return rows.map(({ keyId, ...row }) => ({ ...row, ...(keyId === null ? {} : { keyId }) }))
  }
}
