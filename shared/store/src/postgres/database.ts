/**
 * Connections to Postgres with a bound on everything: on waiting for one, on each statement, and on the whole of a call.
 *
 * A statement that is not answered in time leaves its connection in an unknown state: that connection is closed, never given
 * back. A transaction is repeated when Postgres gave it up for another one (serialization, deadlock).
 *
 * Work for one organization runs under a role that owns no table and sees the rows of that organization alone (row-level
 * security): whoever forgets a condition finds nothing, rather than what is another's. That costs no round trip: what opens a
 * transaction is sent together with its first statement.
 */

import { milliseconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import pg from 'pg'
import { databaseFault, isRepeatable, isServerAnswer } from './database-fault.ts'
import { type Sql, textOf } from './sql.ts'
import { WakeBell, type WakeChannel } from './wake-bell.ts'

export interface Query {
  rows<Row>(statement: Sql): Promise<readonly Row[]>
  /** The first row, if there is one. */
  first<Row>(statement: Sql): Promise<Row | undefined>
  /** @returns how many rows were changed. */
  run(statement: Sql): Promise<number>
  /** Who listens is told, once this is committed, that there is work; who is not told looks by itself, a little later. */
  wake(channel: WakeChannel): void
  /** An audit event was written: once this is committed, the log names it. */
  audited(event: AuditedEvent): void
}

/** What a log line may say of an audit event: the rest stands in the trail alone. */
export interface AuditedEvent {
  readonly auditEvent: string
  readonly type: string
  readonly correlationId: string
}

/** Where repositories read and write: the database as the service sees it, or the part of it that is one organization's. */
export interface Work {
  /** One statement, or several that need not be one. */
  read<T>(work: (query: Query) => Promise<T>): Promise<T>
  /** All or nothing. `work` may run more than once; what it does outside the database must bear that. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>
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
  readonly audited?: AuditedEvent
}

/** Within 3 s a caller has an answer, whatever happens to Postgres. */
const longestCall = milliseconds(2700)
const longestConnect = milliseconds(2000)
const mostRepeats = 4

export class Database implements Work {
  readonly #pool: pg.Pool
  readonly #bell: WakeBell
  readonly #log: DatabaseOptions['log']

  constructor(options: DatabaseOptions) {
    this.#log = options.log
    this.#pool = new pg.Pool({
      ...connectionOf(options),
      max: options.poolSize,
      pipeline: true,
      connectionTimeoutMillis: longestConnect,
      idleTimeoutMillis: 60_000,
      statement_timeout: longestCall,
      // Beyond the time that a relay may take to publish inside its transaction.
      idle_in_transaction_session_timeout: 15_000,
    })
    // Without a listener the loss of an idle connection would end the process.
    this.#pool.on('error', (error) => options.log({ level: 'warn', message: 'a database connection was lost', error }))
    this.#bell = new WakeBell(async (text) => {
      await this.#pool.query(text)
    })
  }

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

  transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return this.#transaction('begin', work)
  }

  /**
   * The rows of this organization, and no others: not even when a statement forgets to say whose.
   * @throws CodedError `internal` for what is no id.
   */
  of(organizationId: string): Work {
    const begin = beginAs(organizationId)
    return {
      read: async (work) => {
        const connection = await this.#connect(now() + longestCall)
        try {
          return await work({
            rows: (statement) => connection.rowsWithin(begin, statement),
            first: async <Row>(statement: Sql) => (await connection.rowsWithin<Row>(begin, statement))[0],
            run: async () => {
              throw new CodedError('internal', 'a change of one organization belongs into a transaction')
            },
            wake: () => {
              throw new CodedError('internal', 'what only reads has no work for others')
            },
            audited: () => {
              throw new CodedError('internal', 'what only reads is not audited')
            },
          })
        } catch (error) {
          throw shown(error)
        } finally {
          connection.release()
        }
      },
      transaction: (work) => this.#transaction(begin, work),
    }
  }

  /** A transaction around work outside: each statement has its own time, the work its own too. */
  async transactionAround<T>(work: (query: Query) => Promise<T>): Promise<T> {
    try {
      return await this.#transactionOnce('begin', undefined, work)
    } catch (error) {
      throw shown(error)
    }
  }

  /** Connections are closed as they become free; those that do not within 5 s are left to the end of the process. */
  close(): Promise<void> {
    return endPool(this.#pool)
  }

  async #transaction<T>(begin: Begin, work: (query: Query) => Promise<T>): Promise<T> {
    const deadline = now() + longestCall
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#transactionOnce(begin, deadline, work)
      } catch (error) {
        if (!isRepeatable(error) || attempt > mostRepeats) throw shown(error)
      }
    }
  }

  async #transactionOnce<T>(
    begin: Begin,
    deadline: number | undefined,
    work: (query: Query) => Promise<T>,
  ): Promise<T> {
    const connection = await this.#connect(deadline)
    // Not awaited: it goes together with the first statement, which fails where this one has failed.
    const begun = connection.command(begin).then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    try {
      const result = await work(connection)
      const failed = await begun
      if (failed !== undefined) throw failed.error
      await connection.command('commit')
      for (const channel of connection.toWake) this.#bell.ring(channel)
      for (const audited of connection.events) this.#log({ level: 'info', message: 'audited', audited })
      return result
    } catch (error) {
      const failed = await begun
      await connection.rollBack()
      throw failed === undefined ? error : failed.error
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
  readonly toWake = new Set<WakeChannel>()
  readonly events: AuditedEvent[] = []
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

  wake(channel: WakeChannel): void {
    this.toWake.add(channel)
  }

  audited(event: AuditedEvent): void {
    this.events.push(event)
  }

  /** A statement in a transaction of its own, all in one round trip. One that fails makes the commit a roll-back. */
  async rowsWithin<Row>(begin: Begin, statement: Sql): Promise<readonly Row[]> {
    const [begun, answered, committed] = await Promise.allSettled([
      this.command(begin),
      this.rows<Row>(statement),
      this.command('commit'),
    ])
    for (const each of [begun, answered, committed]) if (each.status === 'rejected') throw each.reason
    return answered.status === 'fulfilled' ? answered.value : []
  }

  async command(text: Begin | 'commit'): Promise<void> {
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

/** The role under which one organization's rows are read and written; the migrations make it. */
const tenantRole = 'sallyport_tenant'

type Begin = 'begin' | `begin; ${string}`

/** `set local` ends with the transaction, so that the connection goes back to the pool without a scope. */
function beginAs(organizationId: string): Begin {
  // The text goes into the statement as it is.
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(organizationId)) {
    throw new CodedError('internal', 'the id of an organization is no UUID')
  }
  return `begin; set local role ${tenantRole}; set local sallyport.organization = '${organizationId}'`
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
