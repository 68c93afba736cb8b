/**
 * Connections to Postgres with a bound on everything: on waiting for one, on each statement, and on the whole of a call.
 *
 * A statement that is not answered in time leaves its connection in an unknown state: that connection is closed, never given
 * back. A transaction is repeated when Postgres gave it up for another one (serialization, deadlock).
 */

import { milliseconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import pg from 'pg'
import { databaseFault, isRepeatable, isServerAnswer } from './database-fault.ts'
import { type Sql, textOf } from './sql.ts'

export interface Query {
  rows<Row>(statement: Sql): Promise<readonly Row[]>
  /** The first row, if there is one. */
  first<Row>(statement: Sql): Promise<Row | undefined>
  /** @returns how many rows were changed. */
  run(statement: Sql): Promise<number>
}

export interface DatabaseOptions {
  readonly connectionString: string
  readonly applicationName: string
  readonly poolSize: number
  readonly log: (entry: StoreLogEntry) => void
}

export interface StoreLogEntry {
  readonly level: 'info' | 'warn'
  readonly message: string
  readonly error?: unknown
}

/** Within 3 s a caller has an answer, whatever happens to Postgres. */
const longestCall = milliseconds(2700)
const longestConnect = milliseconds(2000)
const mostRepeats = 4

export class Database {
  readonly #pool: pg.Pool

  constructor(options: DatabaseOptions) {
    this.#pool = new pg.Pool({
      ...connectionOf(options),
      max: options.poolSize,
      connectionTimeoutMillis: longestConnect,
      idleTimeoutMillis: 60_000,
      statement_timeout: longestCall,
      // Beyond the time that a relay may take to publish inside its transaction.
      idle_in_transaction_session_timeout: 15_000,
    })
    // Without a listener the loss of an idle connection would end the process.
    this.#pool.on('error', (error) => options.log({ level: 'warn', message: 'a database connection was lost', error }))
  }

  /** One statement, or several that need not be one. */
  async read<T>(work: (query: Query) => Promise<T>): Promise<T> {
    const deadline = now() + longestCall
    const connection = await this.#connect(deadline)
    try {
      return await work(connection)
    } catch (error) {
      throw shown(error)
    } finally {
      connection.release()
    }
  }

  /** All or nothing. `work` may run more than once; what it does outside the database must bear that. */
  async transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    const deadline = now() + longestCall
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#transactionOnce(deadline, work)
      } catch (error) {
        if (!isRepeatable(error) || attempt > mostRepeats) throw shown(error)
      }
    }
  }

  /** A transaction around work outside: each statement has its own time, the work its own too. */
  async transactionAround<T>(work: (query: Query) => Promise<T>): Promise<T> {
    try {
      return await this.#transactionOnce(undefined, work)
    } catch (error) {
      throw shown(error)
    }
  }

  /** Connections are closed as they become free; those that do not within 5 s are left to the end of the process. */
  close(): Promise<void> {
    return endPool(this.#pool)
  }

  async #transactionOnce<T>(deadline: number | undefined, work: (query: Query) => Promise<T>): Promise<T> {
    const connection = await this.#connect(deadline)
    try {
      await connection.command('begin')
      const result = await work(connection)
      await connection.command('commit')
      return result
    } catch (error) {
      await connection.rollBack()
      throw error
    } finally {
      connection.release()
    }
  }

  async #connect(deadline: number | undefined): Promise<Connection> {
    try {
      return new Connection(await this.#pool.connect(), deadline)
    } catch (error) {
      throw databaseFault(error)
    }
  }
}

/** One connection of the pool for the time of a call. */
class Connection implements Query {
  readonly #client: pg.PoolClient
  readonly #deadline: number | undefined
  #broken = false

  constructor(client: pg.PoolClient, deadline: number | undefined) {
    this.#client = client
    this.#deadline = deadline
    client.on('error', this.#onError)
  }

  async rows<Row>(statement: Sql): Promise<readonly Row[]> {
    const { rows } = await this.#query(textOf(statement), statement.values)
    return rows as readonly Row[]
  }

  async first<Row>(statement: Sql): Promise<Row | undefined> {
    const [row] = await this.rows<Row>(statement)
    return row
  }

  async run(statement: Sql): Promise<number> {
    const { rowCount } = await this.#query(textOf(statement), statement.values)
    return rowCount ?? 0
  }

  async command(text: 'begin' | 'commit'): Promise<void> {
    await this.#query(text, [])
  }

  /** Never fails: a connection that cannot roll back is closed, and Postgres rolls back. */
  async rollBack(): Promise<void> {
    if (this.#broken) return
    try {
      await this.#query('rollback', [])
    } catch {
      this.#broken = true
    }
  }

  release(): void {
    this.#client.off('error', this.#onError)
    this.#client.release(this.#broken)
  }

  readonly #onError = (): void => {
    this.#broken = true
  }

  async #query(text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
    const left = this.#deadline === undefined ? longestCall : this.#deadline - now()
    if (left <= 0) {
      this.#broken = true
      throw new CodedError('database-unavailable', 'The database did not answer in time.')
    }
    try {
      return await this.#client.query({ text, values: [...values], ...{ query_timeout: Math.ceil(left) } })
    } catch (error) {
      if (!isServerAnswer(error) && !(error instanceof TypeError)) this.#broken = true
      throw error instanceof pg.DatabaseError || error instanceof TypeError ? error : databaseFault(error)
    }
  }
}

/** What the work itself threw is passed on as it is; so is what a connection failed with, which was translated already. */
const shown = (error: unknown): unknown => (error instanceof pg.DatabaseError ? databaseFault(error) : error)

const now = (): number => performance.now()

const longestClose = 5000

export async function endPool(pool: pg.Pool): Promise<void> {
  const bound = Promise.withResolvers<void>()
  const timer = setTimeout(bound.resolve, longestClose)
  await Promise.race([pool.end(), bound.promise])
  clearTimeout(timer)
}

/** What every connection of ours has in common. */
export function connectionOf(options: { readonly connectionString: string; readonly applicationName: string }) {
  return {
    connectionString: options.connectionString,
    application_name: options.applicationName,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: { getTypeParser },
  }
}

const timestamptz = 1184
const int8 = 20

/** Times as milliseconds since the epoch, 64-bit integers as numbers: ours stay below 2^53. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): (text: string) => unknown {
  if (oid === timestamptz) {
    const parse: (text: string) => Date = pg.types.getTypeParser(timestamptz)
    return (text) => parse(text).getTime()
  }
  if (oid === int8) return Number
  return format === 'binary' ? pg.types.getTypeParser(oid, 'binary') : pg.types.getTypeParser(oid)
}
