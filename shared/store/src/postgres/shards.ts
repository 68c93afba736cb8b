import { CodedError } from '@sallyport/errors'
import type { Shards } from '../takeover.ts'
import type { Database } from './database.ts'
import { sql } from './sql.ts'

export class PostgresShards implements Shards {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
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
}
