/**
 * One gateway's turn at a shard: an advisory lock on a connection of its own, so that Postgres gives it up within moments of
 * the process's end, however that came.
 *
 * The lock is asked for again and again instead of waited for: a Postgres that hangs is noticed, and nobody waits inside it.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { CodedError } from '@sallyport/errors'
import pg from 'pg'
import type { ShardTurn } from '../takeover.ts'
import { connectionOf, type DatabaseOptions } from './database.ts'

/** Milliseconds. Who stands by has devices waiting for it. */
const askedEvery = { 'stands-by': 50, 'serves-already': 1000 }
const confirmedEvery = 5_000
const longestAnswer = 2_500
const longestGoodbye = 500
/** Whoever had it when Postgres went away gets it again before those that stood by. */
const reconnectedAfter = { first: 100, others: 3_000 }

export class PostgresShardTurn implements ShardTurn {
  readonly taken: Promise<void>
  readonly #options: Omit<DatabaseOptions, 'poolSize'>
  readonly #lockName: string
  readonly #as: keyof typeof askedEvery
  readonly #take: () => void
  readonly #over = new AbortController()
  #isTaken = false
  #client: pg.Client | undefined

  constructor(options: Omit<DatabaseOptions, 'poolSize'>, shard: number, as: keyof typeof askedEvery) {
    this.#options = options
    this.#lockName = `gateway shard ${shard}`
    this.#as = as
    const { promise, resolve } = Promise.withResolvers<void>()
    this.taken = promise
    this.#take = resolve
    void this.#keep()
  }

  async giveUp(): Promise<void> {
    this.#over.abort()
    const client = this.#client
    this.#client = undefined
    if (client === undefined) return
    await Promise.race([client.end().catch(() => undefined), rest(longestGoodbye)])
  }

  async #keep(): Promise<void> {
    while (!this.#over.signal.aborted) {
      try {
        await this.#holdOnce()
      } catch (error) {
        if (this.#over.signal.aborted) return
        this.#options.log({ level: 'warn', message: 'the connection that holds the turn at the shard was lost', error })
      }
      await rest(this.#isTaken ? reconnectedAfter.first : reconnectedAfter.others, this.#over.signal)
    }
  }

  /** @throws when the connection is lost, which is the only end but `giveUp`. */
  async #holdOnce(): Promise<void> {
    const client = new pg.Client({
      ...connectionOf(this.#options),
      connectionTimeoutMillis: longestAnswer,
      query_timeout: longestAnswer,
    })
    const { promise: lost, reject: lose } = Promise.withResolvers<never>()
    lost.catch(() => undefined)
    client.on('error', lose)
    client.on('end', () => lose(new CodedError('database-unavailable', 'The connection ended.')))
    this.#client = client
    try {
      await Promise.race([lost, this.#askAndHold(client)])
    } finally {
      client.end().catch(() => undefined)
    }
  }

  async #askAndHold(client: pg.Client): Promise<void> {
    const { signal } = this.#over
    await client.connect()
    while (!signal.aborted && !(await isLocked(client, this.#lockName))) await rest(askedEvery[this.#as], signal)
    if (signal.aborted) return
    this.#isTaken = true
    this.#take()
    while (!signal.aborted) {
      await rest(confirmedEvery, signal)
      if (!signal.aborted) await client.query('select 1')
    }
  }
}

async function isLocked(client: pg.Client, name: string): Promise<boolean> {
  const { rows } = await client.query<{ readonly locked: boolean }>(
    'select pg_try_advisory_lock(hashtextextended($1, 0)) as locked',
    [name],
  )
  return rows[0]?.locked === true
}

/** Does not keep the process alive. */
async function rest(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await pause(milliseconds, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) }).catch(
    () => undefined,
  )
}
