import { toHex } from '@sallyport/bytes'
import type { Duration } from '@sallyport/clock'
import type { ActContext } from '../act.ts'
import type { SealingKeyGenerations, SealingKeyRecord } from '../takeover.ts'
import type { AdvisoryLocks } from './advisory-locks.ts'
import type { Database } from './database.ts'
import { sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

const columns = sql`generation, key_id as "keyId", sealed_key as "sealedKey", created_at as "createdAt"`

export class PostgresSealingKeyGenerations implements SealingKeyGenerations {
  readonly #database: Database
  readonly #record: TransactionRecord
  readonly #locks: AdvisoryLocks

  constructor(database: Database, record: TransactionRecord, locks: AdvisoryLocks) {
    this.#database = database
    this.#record = record
    this.#locks = locks
  }

  live(): Promise<readonly SealingKeyRecord[]> {
    return this.#database.read((query) =>
      query.rows<SealingKeyRecord>(sql`select ${columns} from sealing_key order by generation desc limit 2`),
    )
  }

  async rotate(
    period: Duration,
    create: Parameters<SealingKeyGenerations['rotate']>[1],
  ): Promise<readonly SealingKeyRecord[]> {
    if ((await this.#due(period)) === undefined) return this.live()
    // The lock spares the losers a key of their own; that a generation is made once is the primary key's doing.
    await this.#locks.withLock('sealing key', async () => {
      const generation = await this.#due(period)
      if (generation === undefined) return
      await this.#add(generation, await create(generation))
    })
    return this.live()
  }

  /** The generation to make now, by the database's clock; undefined while the newest is young enough. */
  async #due(period: Duration): Promise<number | undefined> {
    const row = await this.#database.read((query) =>
      query.first<{ readonly newest: number; readonly due: boolean }>(sql`
        select coalesce(max(generation), 0) as newest,
          coalesce(max(created_at) <= clock_timestamp() - ${period} * interval '1 millisecond', true) as due
        from sealing_key`),
    )
    return row?.due === true ? row.newest + 1 : undefined
  }

  #add(generation: number, { keyId, sealedKey }: { keyId: Uint8Array; sealedKey: Uint8Array }): Promise<void> {
    return this.#database.transaction(async (query) => {
      const made = await query.run(sql`
        insert into sealing_key (generation, key_id, sealed_key) values (${generation}, ${keyId}, ${sealedKey})
        on conflict (generation) do nothing`)
      if (made === 0) return
      await query.run(sql`delete from sealing_key where generation < ${generation - 1}`)
      await this.#record.audit(query, actOfRotation(this.#record), {
        type: 'sealing-key.created',
        organizationId: undefined,
        subjectId: toHex(keyId),
        details: { generation },
      })
    })
  }
}

const actOfRotation = (record: TransactionRecord): ActContext => ({
  actor: { kind: 'system', id: 'sealing-keys' },
  correlationId: record.newId(),
})
