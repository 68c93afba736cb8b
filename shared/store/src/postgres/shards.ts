import { CodedError } from '@sallyport/errors'
import type { Shards, ShardTurn } from '../takeover.ts'
import type { Database, DatabaseOptions } from './database.ts'
import { PostgresShardTurn } from './shard-turn.ts'
import { sql } from './sql.ts'

export class PostgresShards implements Shards {
  readonly #database: Database
  readonly #connection: Omit<DatabaseOptions, 'poolSize'>

  /** @param connection for the turns, each of which has one of its own */
  constructor(database: Database, connection: Omit<DatabaseOptions, 'poolSize'>) {
    this.#database = database
    this.#connection = connection
  }

  async claim(shard: number, gatewayId: string): Promise<{ readonly takeovers: number }> {
    const claim = await this.#database.read((query) =>
      query.first<{ readonly takeovers: number }>(sql`
        insert into gateway_shard as held (shard, gateway_id) values (${shard}, ${gatewayId})
        on conflict (shard) do update
          set gateway_id = excluded.gateway_id, takeovers = held.takeovers + 1, claimed_at = clock_timestamp()
        returning takeovers`),
    )
    if (claim === undefined) throw new CodedError('internal', 'a claim of a shard gave no row')
    return claim
  }

  async isHeld(shard: number, gatewayId: string, takeovers: number): Promise<boolean> {
    const held = await this.#database.read((query) =>
      query.first(sql`
        select from gateway_shard
        where shard = ${shard} and gateway_id = ${gatewayId} and takeovers = ${takeovers}`),
    )
    return held !== undefined
  }

  takeTurn(shard: number, as: 'stands-by' | 'serves-already'): ShardTurn {
    return new PostgresShardTurn(this.#connection, shard, as)
  }
}
