/**
 * The authority that signs identity certificates, with its key in the HSM.
 *
 * The token is opened at the start, and again at the next use where that failed: without it the dps refuses credentials
 * (5.03) and serves everything else.
 */

import { readFileSync } from 'node:fs'
import { SecretBytes } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import { openToken, type Token, type TokenLock, type TokenObserver } from '@sallyport/hsm'
import type { Signer } from '@sallyport/issuer'
import type { Certificate } from '@sallyport/pki'
import type { InstallationAuthority } from './installation-authorities.ts'
import type { IdentityAuthority } from './issuance.ts'

export interface TokenAuthorityOptions {
  readonly authority: InstallationAuthority
  readonly modulePath: string
  readonly tokenLabel: string
  readonly pinFile: string
  readonly lock: TokenLock
  readonly observer?: TokenObserver
}

export class TokenAuthority implements IdentityAuthority {
  readonly certificate: Certificate
  readonly #options: TokenAuthorityOptions
  #token: Promise<Token> | undefined
  #signer: Promise<Signer> | undefined

  constructor(options: TokenAuthorityOptions) {
    this.#options = options
    this.certificate = options.authority.certificate
  }

  /** Found by key id and public key; kept, since the key itself opens a lost token again. */
  signer(): Promise<Signer> {
    this.#signer ??= this.#find().catch((error) => {
      this.#signer = undefined
      throw error
    })
    return this.#signer
  }

  /** @throws CodedError `hsm-unavailable`. */
  async probe(): Promise<void> {
    await (await this.#opened()).probe()
  }

  async close(): Promise<void> {
    await this.#token?.then(
      (token) => token.close(),
      () => {},
    )
  }

  async #find(): Promise<Signer> {
    const token = await this.#opened()
    const key = await token.findEcKey({ id: this.#options.authority.keyId, publicKey: this.certificate.spki })
    return { publicKey: key.spki, sign: (data) => key.sign(data) }
  }

  #opened(): Promise<Token> {
    this.#token ??= this.#open().catch((error) => {
      this.#token = undefined
      throw error
    })
    return this.#token
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
