import { CodedError } from '@sallyport/errors'
import type { AssociationMark, AssociationMarks, ShardClaim } from '../takeover.ts'
import type { Database } from './database.ts'
import { type Sql, sql } from './sql.ts'

export class PostgresAssociationMarks implements AssociationMarks {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async commit(marks: readonly AssociationMark[], claim: ShardClaim): Promise<void> {
    const row = await this.#database.read((query) =>
      query.first<{ readonly held: boolean }>(sql`
        with ${heldAndMarked(marks, claim)}
        select exists (select from held) as held, (select count(*) from marked) as marked`),
    )
    if (row?.held !== true) throw shardLost()
  }

  async read(associationIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (associationIds.length === 0) return new Map()
    const rows = await this.#database.read((query) =>
      query.rows<AssociationMark>(sql`
        select association_id as "associationId", record_sequence as "recordSequence" from association_mark
        where association_id = any(${associationIds}::text[])`),
    )
    return new Map(rows.map(({ associationId, recordSequence }) => [associationId, recordSequence]))
  }
}

/**
 * Two parts of a statement: `held`, a row while the shard is the claimant's, locked against the next claim until we have
 * committed; and `marked`, the marks moved up. Sorted, so that two statements wait for each other in one order.
 */
export function heldAndMarked(marks: readonly AssociationMark[], claim: ShardClaim): Sql {
  const newest = new Map<string, number>()
  for (const { associationId, recordSequence } of marks) {
    newest.set(associationId, Math.max(recordSequence, newest.get(associationId) ?? 0))
  }
  return sql`held as (
      select shard from gateway_shard
      where shard = ${claim.shard} and gateway_id = ${claim.gatewayId} and takeovers = ${claim.takeovers} for share
    ), marked as (
      insert into association_mark as mark (association_id, record_sequence)
      select m.association_id, m.record_sequence
      from unnest(${[...newest.keys()]}::text[], ${[...newest.values()]}::bigint[]) as m (association_id, record_sequence)
      where exists (select from held)
      order by m.association_id
      on conflict (association_id) do update
        set record_sequence = greatest(mark.record_sequence, excluded.record_sequence), updated_at = clock_timestamp()
      returning 1
    )`
}

export const shardLost = (): CodedError => new CodedError('shard-lost', 'The shard was claimed by another gateway.')
