/**
 * Locks by name across processes: Postgres advisory locks, each held by a connection of its own for as long as the work takes.
 * They have a pool apart, so that those who wait for a lock do not keep those who hold it from the database.
 */

import { CodedError } from '@sallyport/errors'
import pg from 'pg'
import { connectionOf, type DatabaseOptions, endPool } from './database.ts'
import { databaseFault } from './database-fault.ts'

const longestWait = 25_000
const longestUnlock = 2_000
const mostLocks = 8

export class AdvisoryLocks {
  readonly #pool: pg.Pool
  readonly #probe: () => Promise<unknown>

  /** @param probe fails soon when Postgres is gone or hangs: waiting for a lock takes its time, a dead server must not. */
  constructor(options: Omit<DatabaseOptions, 'poolSize'>, probe: () => Promise<unknown>) {
    this.#probe = probe
    this.#pool = new pg.Pool({
      ...connectionOf(options),
      max: mostLocks,
      connectionTimeoutMillis: longestWait,
      idleTimeoutMillis: 10_000,
      lock_timeout: longestWait,
      query_timeout: longestWait + 1000,
    })
    this.#pool.on('error', (error) => options.log({ level: 'warn', message: 'a lock connection was lost', error }))
  }

  async withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
    const client = await this.#acquire(name)
    let lost = false
    const onError = (): void => {
      lost = true
    }
    client.on('error', onError)
    try {
      return await work()
    } finally {
      try {
        if (!lost) {
          const text = 'select pg_advisory_unlock(hashtextextended($1, 0))'
          await client.query({ text, values: [name], ...{ query_timeout: longestUnlock } })
        }
      } catch {
        lost = true
      }
      client.off('error', onError)
      // Closing the connection gives the lock up too.
      client.release(lost)
    }
  }

  close(): Promise<void> {
    return endPool(this.#pool)
  }

  async #acquire(name: string): Promise<pg.PoolClient> {
    await this.#probe()
    let client: pg.PoolClient
    try {
      client = await this.#pool.connect()
    } catch (error) {
      throw databaseFault(error)
    }
    try {
      await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [name])
      return client
    } catch (error) {
      client.release(true)
      const fault = databaseFault(error)
      throw fault instanceof CodedError
        ? new CodedError('database-unavailable', 'A lock was not to be had in time.', { cause: error })
        : fault
    }
  }
}
