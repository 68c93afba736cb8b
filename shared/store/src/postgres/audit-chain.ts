import { beforeFirstEntry, type ChainEntry, type ChainPosition, chainEntry, eventSha256 } from '@sallyport/audit'
import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { AuditChain, AuditHeadKey, OrganizationEntry, SealedEvent, SignedHead } from '../audit-chain.ts'
import { type AuditRow, auditColumns, toAuditEvent } from './audit-events.ts'
import type { Database, Query } from './database.ts'
import { sql, time } from './sql.ts'

interface EntryRow {
  readonly sequence: number
  readonly eventId: string
  readonly eventSha256: Uint8Array
  readonly sha256: Uint8Array
}

interface HeadRow {
  readonly sequence: number
  readonly sha256: Uint8Array
  readonly signedAt: Instant
  readonly keyId: string
  readonly signature: Uint8Array
}

const headColumns = sql`sequence, sha256, signed_at as "signedAt", key_id as "keyId", signature`

export class PostgresAuditChain implements AuditChain {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  seal(limit: number): Promise<{ readonly sealed: number; readonly last: ChainPosition }> {
    return this.#database.transaction(async (query) => {
      // Held until the commit: whoever comes next sees our entries. Should the lock ever fail, the primary key does not.
      await query.run(sql`select pg_advisory_xact_lock(hashtextextended('sallyport audit chain', 0))`)
      let last = await lastEntry(query)
      const rows = await query.rows<AuditRow>(sql`
        select ${auditColumns} from audit_unsealed join audit_event on audit_event.id = audit_unsealed.event_id
        order by occurred_at, id limit ${limit}`)
      const entries = rows.map((row): ChainEntry => {
        const entry = chainEntry(last, row.id, eventSha256(toAuditEvent(row)))
        last = entry
        return entry
      })
      if (entries.length > 0) await append(query, entries)
      return { sealed: entries.length, last }
    })
  }

  async oldestUnsealed(): Promise<Instant | undefined> {
    const row = await this.#database.read((query) =>
      query.first<{ readonly at: Instant | null }>(sql`
        select min(occurred_at) as at from audit_unsealed join audit_event on audit_event.id = audit_unsealed.event_id`),
    )
    return row?.at ?? undefined
  }

  async recordHeadKey({ id, spki }: AuditHeadKey): Promise<void> {
    await this.#database.transaction((query) =>
      query.run(sql`insert into audit_head_key (id, spki) values (${id}, ${spki}) on conflict (id) do nothing`),
    )
  }

  async headKeys(): Promise<readonly AuditHeadKey[]> {
    return await this.#database.read((query) =>
      query.rows<AuditHeadKey>(sql`select id, spki from audit_head_key order by recorded_at, id`),
    )
  }

  async recordHead({ sequence, sha256, signedAt, keyId, signature }: SignedHead): Promise<void> {
    const inserted = await this.#database.transaction((query) =>
      query.first(sql`
        insert into audit_head (sequence, sha256, signed_at, key_id, signature)
        select sequence, sha256, ${time(signedAt)}, ${keyId}, ${signature} from audit_chain
        where sequence = ${sequence} and sha256 = ${sha256}
        returning sequence`),
    )
    if (inserted === undefined) {
      throw new CodedError('conflict', `No entry ${sequence} with this hash is in the audit chain.`)
    }
  }

  async lastHead(): Promise<SignedHead | undefined> {
    return await this.#database.read((query) =>
      query.first<HeadRow>(sql`select ${headColumns} from audit_head order by sequence desc, signed_at desc limit 1`),
    )
  }

  async heads(after: number, limit: number): Promise<readonly SignedHead[]> {
    return await this.#database.read((query) =>
      query.rows<HeadRow>(sql`
        select ${headColumns} from audit_head where sequence > ${after} order by sequence, signed_at limit ${limit}`),
    )
  }

  async headsAround(
    organizationId: string,
    { from, to }: Parameters<AuditChain['headsAround']>[1],
  ): Promise<{ readonly after: ChainPosition; readonly last: SignedHead } | undefined> {
    // Sealed late, after a head that was signed after the span: an event whose transaction took long, or whose sealer was away.
    const latest =
      to === undefined
        ? undefined
        : await this.#database.of(organizationId).read((query) =>
            query.rows<{ readonly id: string }>(sql`
              select id from audit_event where organization_id = ${organizationId}
                and occurred_at < ${time(to)} and occurred_at >= ${time(to)}::timestamptz - interval '1 day'
              order by occurred_at desc, id desc limit 1000`),
          )
    return await this.#database.read(async (query) => {
      const after =
        from === undefined
          ? undefined
          : await query.first<ChainPosition>(sql`
              select sequence, sha256 from audit_head where signed_at <= ${time(from)} order by sequence desc limit 1`)
      const last =
        (latest === undefined || to === undefined
          ? undefined
          : await query.first<HeadRow>(sql`
              select ${headColumns} from audit_head where signed_at >= ${time(to)} and sequence >= coalesce((
                select max(sequence) from audit_chain where event_id = any(${latest.map(({ id }) => id)}::uuid[])), 0)
              order by sequence, signed_at limit 1`)) ??
        (await query.first<HeadRow>(
          sql`select ${headColumns} from audit_head order by sequence desc, signed_at desc limit 1`,
        ))
      if (last === undefined) return undefined
      const { sequence, sha256 } = after ?? beforeFirstEntry
      return { after: { sequence, sha256 }, last }
    })
  }

  async entriesOf(organizationId: string, after: number, limit: number): Promise<readonly OrganizationEntry[]> {
    const entries = await this.#database.read((query) =>
      query.rows<EntryRow>(sql`
        select sequence, event_id as "eventId", event_sha256 as "eventSha256", sha256 from audit_chain
        where sequence > ${after} order by sequence limit ${limit}`),
    )
    const ids = entries.map(({ eventId }) => eventId)
    const events = await this.#database.of(organizationId).read((query) =>
      query.rows<AuditRow>(sql`
        select ${auditColumns} from audit_event
        where organization_id = ${organizationId} and id = any(${ids}::uuid[])`),
    )
    const own = new Map(events.map((row) => [row.id, row]))
    return entries.map((entry) => {
      const row = own.get(entry.eventId)
      return { entry, event: row === undefined ? 'hidden' : toAuditEvent(row) }
    })
  }

  async entries(after: number, limit: number): Promise<readonly SealedEvent[]> {
    const rows = await this.#database.read((query) =>
      query.rows<EntryRow & Partial<AuditRow>>(sql`
        select sequence, event_id as "eventId", event_sha256 as "eventSha256", sha256, event.*
        from audit_chain left join lateral (select ${auditColumns} from audit_event where id = event_id) event on true
        where sequence > ${after} order by sequence limit ${limit}`),
    )
    return rows.map(({ sequence, eventId, eventSha256: hash, sha256, ...event }) => ({
      entry: { sequence, eventId, eventSha256: hash, sha256 },
      event: isWhole(event) ? toAuditEvent(event) : undefined,
    }))
  }
}

const isWhole = (row: Partial<AuditRow>): row is AuditRow => typeof row.id === 'string'

async function lastEntry(query: Query): Promise<ChainPosition> {
  const row = await query.first<ChainPosition>(
    sql`select sequence, sha256 from audit_chain order by sequence desc limit 1`,
  )
  return row ?? beforeFirstEntry
}

async function append(query: Query, entries: readonly ChainEntry[]): Promise<void> {
  const ids = entries.map(({ eventId }) => eventId)
  await query.run(sql`
    insert into audit_chain (sequence, event_id, event_sha256, sha256)
    select * from unnest(${entries.map(({ sequence }) => sequence)}::bigint[], ${ids}::uuid[],
      ${entries.map((entry) => entry.eventSha256)}::bytea[], ${entries.map(({ sha256 }) => sha256)}::bytea[])`)
  await query.run(sql`delete from audit_unsealed where event_id = any(${ids}::uuid[])`)
}
