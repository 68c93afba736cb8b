/**
 * A token, opened by its label and kept open: lost sessions are opened again at the next use.
 *
 * Opening happens under the token's lock, finalizes what is there after a failure, backs off and tries again: of
 * simultaneous log-ins on SoftHSM up to 14 % fail otherwise. After a failure the next second's callers get the same
 * error at once, so that a missing token does not hold up everything behind its lock.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { type Duration, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { Handle } from 'pkcs11js'
import { findEcKey, generateEcKey, listEcKeys } from './ec-key.ts'
import { asTokenError, meansLoss, returnValueName } from './pkcs11-failure.ts'
import { Pkcs11Module } from './pkcs11-module.ts'
import { findSealingKey, generateSealingKey } from './sealing-key.ts'
import type { OpenTokenOptions, Token } from './token.ts'
import { TokenConnection } from './token-connection.ts'
import type { TokenUse } from './token-use.ts'

const firstAttempts = 6
const reopenAttempts = 3
const coolDown: Duration = seconds(1)

/** @throws CodedError `hsm-unavailable` with `details.reason`: `token-missing`, `pin-refused` or a PKCS#11 name. */
export async function openToken(options: OpenTokenOptions): Promise<Token> {
  const opened = new OpenToken(options)
  await opened.open()
  return {
    label: options.tokenLabel,
    generateEcKey: (request) => generateEcKey(opened, request),
    findEcKey: (key) => findEcKey(opened, key),
    listEcKeys: () => listEcKeys(opened),
    generateSealingKey: (label) => generateSealingKey(opened, label),
    findSealingKey: (label) => findSealingKey(opened, label),
    probe: () => opened.run((connection, session) => connection.probe(session)),
    close: () => opened.close(),
  }
}

class OpenToken implements TokenUse {
  readonly label: string
  readonly #options: OpenTokenOptions
  readonly #module: Pkcs11Module
  readonly #timeout: Duration
  #connection: TokenConnection | undefined
  #opening: Promise<TokenConnection> | undefined
  #failure: { readonly error: CodedError; readonly until: number } | undefined
  #closed = false

  constructor(options: OpenTokenOptions) {
    this.label = options.tokenLabel
    this.#options = options
    this.#module = Pkcs11Module.at(options.modulePath)
    this.#timeout = options.timeout ?? seconds(10)
  }

  async open(): Promise<void> {
    this.#module.enter()
    try {
      await this.#connected()
    } catch (error) {
      await this.#module.leave()
      throw error
    }
  }

  async run<T>(work: (connection: TokenConnection, session: Handle) => Promise<T> | T): Promise<T> {
    try {
      return await this.#inTime(this.#runOnce(work).catch((error) => this.#runAgain(error, work)))
    } catch (error) {
      throw asTokenError(error, this.label)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const connection = this.#connection
    this.#connection = undefined
    // Nothing is in flight once the module is ours alone; `leave` waits for the same where we are the last.
    if (connection !== undefined) await this.#module.use(async () => connection.close())
    await this.#module.leave()
  }

  async #runOnce<T>(work: (connection: TokenConnection, session: Handle) => Promise<T> | T): Promise<T> {
    const connection = await this.#connected()
    return await this.#module.use(async () => {
      // Handles are numbered anew after an initialization: a stale one could name another token's session.
      if (connection.generation !== this.#module.generation) throw new StaleConnection()
      return await connection.withSession(async (session) => await work(connection, session))
    })
  }

  async #runAgain<T>(
    error: unknown,
    work: (connection: TokenConnection, session: Handle) => Promise<T> | T,
  ): Promise<T> {
    if (error instanceof StaleConnection) return await this.#runOnce(work)
    if (!meansLoss(error)) throw error
    this.#lose(returnValueName(error) ?? 'unknown')
    return await this.#runOnce(work)
  }

  #lose(reason: string): void {
    if (this.#connection?.usable === true) this.#options.observer?.lost?.({ reason })
    this.#connection?.markBroken()
  }

  async #connected(): Promise<TokenConnection> {
    if (this.#closed) throw new CodedError('hsm-unavailable', `token ${this.label} has been closed`)
    if (this.#connection?.usable === true) return this.#connection
    if (this.#failure !== undefined && performance.now() < this.#failure.until) throw this.#failure.error
    this.#opening ??= this.#openConnection().finally(() => {
      this.#opening = undefined
    })
    return await this.#opening
  }

  async #openConnection(): Promise<TokenConnection> {
    const lost = this.#connection
    try {
      const connection = await this.#options.lock.withLock(() =>
        this.#attempt(lost, lost === undefined ? firstAttempts : reopenAttempts),
      )
      this.#failure = undefined
      this.#connection = connection
      return connection
    } catch (error) {
      const failure = asTokenError(error, this.label)
      this.#failure = { error: failure, until: performance.now() + coolDown }
      this.#options.observer?.lost?.({ reason: String(failure.details.reason ?? failure.message) })
      throw failure
    }
  }

  async #attempt(lost: TokenConnection | undefined, attempts: number): Promise<TokenConnection> {
    let stale = lost?.generation
    for (let attempt = 1; ; attempt++) {
      try {
        if (stale === undefined) await this.#module.initialize()
        else await this.#module.restart(stale)
        const connection = await this.#module.use(async () =>
          TokenConnection.open(this.#module, {
            modulePath: this.#options.modulePath,
            label: this.label,
            pin: this.#options.pin,
            sessions: this.#options.sessions ?? 4,
          }),
        )
        this.#options.observer?.opened?.({ attempts: attempt })
        return connection
      } catch (error) {
        const final = asTokenError(error, this.label)
        if (attempt >= attempts || final.details.reason === 'pin-refused') throw final
        stale = this.#module.generation
        await sleep(25 * 2 ** attempt * (0.5 + Math.random() / 2))
      }
    }
  }

  /** A native call cannot be taken back: its session stays in use until it ends, but the caller need not wait. */
  async #inTime<T>(work: Promise<T>): Promise<T> {
    const timer = Promise.withResolvers<never>()
    const timeout = setTimeout(() => {
      timer.reject(
        new CodedError('hsm-unavailable', `token ${this.label} did not answer within ${this.#timeout} ms`, {
          details: { reason: 'timed-out' },
        }),
      )
    }, this.#timeout)
    try {
      return await Promise.race([work, timer.promise])
    } finally {
      clearTimeout(timeout)
    }
  }
}

/** Another user of the module has restarted it; the work has not begun. */
class StaleConnection extends Error {}
