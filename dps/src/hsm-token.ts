/** The HSM token of the dps: opened at its first use, and again at the next one where that failed. */

import { readFileSync } from 'node:fs'
import { SecretBytes } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import { openToken, type Token, type TokenLock, type TokenObserver } from '@sallyport/hsm'

export interface HsmTokenOptions {
  readonly modulePath: string
  readonly tokenLabel: string
  readonly pinFile: string
  readonly lock: TokenLock
  readonly observer?: TokenObserver
}

export class HsmToken {
  readonly #options: HsmTokenOptions
  #token: Promise<Token> | undefined

  constructor(options: HsmTokenOptions) {
    this.#options = options
  }

  /** @throws CodedError `hsm-unavailable`. */
  opened(): Promise<Token> {
    this.#token ??= this.#open().catch((error) => {
      this.#token = undefined
      throw error
    })
    return this.#token
  }

  /** @throws CodedError `hsm-unavailable`. */
  async probe(): Promise<void> {
    await (await this.opened()).probe()
  }

  async close(): Promise<void> {
    await this.#token?.then(
      (token) => token.close(),
      () => {},
    )
  }

  async #open(): Promise<Token> {
    const { modulePath, tokenLabel, lock, observer } = this.#options
    const pin = this.#readPin()
    return await openToken({ modulePath, tokenLabel, pin, lock, ...(observer === undefined ? {} : { observer }) })
  }

  #readPin(): SecretBytes {
    try {
      return SecretBytes.fromText(readFileSync(this.#options.pinFile, 'utf8').trim())
    } catch (cause) {
      throw new CodedError('hsm-unavailable', `the PIN file ${this.#options.pinFile} cannot be read`, { cause })
    }
  }
}
