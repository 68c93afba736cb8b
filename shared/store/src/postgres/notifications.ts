/**
 * LISTEN, kept alive: one connection for all channels of a store, opened again when it is lost.
 *
 * What is notified while there is no connection is lost; each listener is told afterwards, so that it looks for itself. A
 * connection that is only silently gone is found by asking it every few seconds.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { CodedError } from '@sallyport/errors'
import pg from 'pg'
import type { Channel } from '../store.ts'
import { connectionOf, type DatabaseOptions } from './database.ts'
import { databaseFault } from './database-fault.ts'

interface Listener {
  readonly channel: Channel
  readonly handler: (payload: string) => void
  readonly onReconnected: () => void
}

const askedEvery = 5_000
const longestAnswer = 2_500
const longestGoodbye = 1_000
const firstPause = 100
const longestPause = 2_000

export class Notifications {
  readonly #options: Omit<DatabaseOptions, 'poolSize'>
  readonly #listeners = new Set<Listener>()
  #client: pg.Client | undefined
  #connecting: Promise<pg.Client> | undefined
  #pause: NodeJS.Timeout | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: Omit<DatabaseOptions, 'poolSize'>) {
    this.#options = options
  }

  async listen(
    channel: Channel,
    handler: (payload: string) => void,
    onReconnected: () => void,
  ): Promise<() => Promise<void>> {
    const listener: Listener = { channel, handler, onReconnected }
    try {
      const client = await this.#connected()
      this.#listeners.add(listener)
      await client.query(`listen ${channel}`)
    } catch (error) {
      this.#listeners.delete(listener)
      throw databaseFault(error)
    }
    return async () => {
      this.#listeners.delete(listener)
      const others = [...this.#listeners].some((other) => other.channel === channel)
      // A connection that is lost listens to nothing anyway.
      if (!others) await this.#client?.query(`unlisten ${channel}`).catch(() => undefined)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#pause)
    clearInterval(this.#heartbeat)
    this.#listeners.clear()
    await this.#connecting?.catch(() => undefined)
    const client = this.#client
    this.#client = undefined
    if (client !== undefined)
      await Promise.race([client.end().catch(() => undefined), pause(longestGoodbye, undefined, { ref: false })])
  }

  async #connected(): Promise<pg.Client> {
    if (this.#closed) throw new CodedError('database-unavailable', 'The store is closed.')
    if (this.#client !== undefined) return this.#client
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
    })
    return await this.#connecting
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      ...connectionOf(this.#options),
      connectionTimeoutMillis: longestAnswer,
      query_timeout: longestAnswer,
    })
    const lost = (): void => this.#lost(client)
    client.on('error', lost)
    client.on('end', lost)
    client.on('notification', ({ channel, payload }) => {
      for (const listener of this.#listeners) if (listener.channel === channel) listener.handler(payload ?? '')
    })
    try {
      await client.connect()
      for (const channel of new Set([...this.#listeners].map((listener) => listener.channel))) {
        await client.query(`listen ${channel}`)
      }
    } catch (error) {
      abandon(client)
      throw error
    }
    this.#client = client
    clearInterval(this.#heartbeat)
    this.#heartbeat = setInterval(() => {
      client.query('select 1').catch(lost)
    }, askedEvery)
    return client
  }

  #lost(client: pg.Client): void {
    if (this.#client !== client) return
    this.#client = undefined
    clearInterval(this.#heartbeat)
    abandon(client)
    if (this.#closed) return
    this.#options.log({ level: 'warn', message: 'the connection for notifications was lost' })
    this.#reconnectIn(firstPause)
  }

  #reconnectIn(wait: number): void {
    this.#pause = setTimeout(() => {
      this.#connected().then(
        () => {
          if (this.#closed) return
          this.#options.log({ level: 'info', message: 'notifications are received again' })
          for (const listener of this.#listeners) listener.onReconnected()
        },
        () => {
          if (!this.#closed) this.#reconnectIn(Math.min(wait * 2, longestPause))
        },
      )
    }, wait)
  }
}

/** Without waiting: a server that hangs would not say goodbye. */
function abandon(client: pg.Client): void {
  client.removeAllListeners('end')
  client.on('error', () => undefined)
  client.end().catch(() => undefined)
}
