/**
 * Keep-alive: GET /oic/rd every 20 s, answered within 4 s, as stock devices do over UDP. A gateway that died sends no
 * close_notify, so unanswered pings are the only sign: after the first the next follow at once, and the third ends it.
 */

import { type Duration, seconds } from '@sallyport/clock'
import type { CoapLink } from './coap-link.ts'
import { isDeviceFailure } from './device-failure.ts'
import { pause } from './pause.ts'

export interface KeepAliveOptions {
  /** Default 20 s. */
  readonly interval?: Duration
  /** Default 4 s. */
  readonly timeout?: Duration
  /** Unanswered pings in a row that mean loss; default 3. */
  readonly attempts?: number
}

export class KeepAlive {
  readonly #link: CoapLink
  readonly #interval: Duration
  readonly #timeout: Duration
  readonly #attempts: number
  #wake = new AbortController()

  constructor(link: CoapLink, options: KeepAliveOptions = {}) {
    this.#link = link
    this.#interval = options.interval ?? seconds(20)
    this.#timeout = options.timeout ?? seconds(4)
    this.#attempts = options.attempts ?? 3
  }

  /** Something else went unanswered: ping now. */
  suspect(): void {
    this.#wake.abort()
  }

  /** Pings until the signal is aborted. @returns false when the gateway no longer answers. */
  async watch(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      this.#wake = new AbortController()
      await pause(this.#interval, AbortSignal.any([signal, this.#wake.signal]))
      if (signal.aborted) return true
      if (!(await this.#answers(signal))) return false
    }
    return true
  }

  async #answers(signal: AbortSignal): Promise<boolean> {
    for (let attempt = 0; attempt < this.#attempts && !signal.aborted; attempt += 1) {
      try {
        await this.#link.request('keep-alive', { method: 'GET', path: '/oic/rd', timeout: this.#timeout })
        return true
      } catch (error) {
        if (!isDeviceFailure(error)) throw error
      }
    }
    return signal.aborted
  }
}
