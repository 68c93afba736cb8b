/**
 * The authority that signs identity certificates, with its key in the HSM. Without the token the dps refuses credentials
 * (5.03) and serves everything else.
 */

import type { Signer } from '@sallyport/issuer'
import type { Certificate } from '@sallyport/pki'
import type { HsmToken } from './hsm-token.ts'
import type { InstallationAuthority } from './installation-authorities.ts'
import type { IdentityAuthority } from './issuance.ts'

export interface TokenAuthorityOptions {
  readonly authority: InstallationAuthority
  readonly token: HsmToken
}

export class TokenAuthority implements IdentityAuthority {
  readonly certificate: Certificate
  readonly #options: TokenAuthorityOptions
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

  async #find(): Promise<Signer> {
    const token = await this.#options.token.opened()
    const key = await token.findEcKey({ id: this.#options.authority.keyId, publicKey: this.certificate.spki })
    return { publicKey: key.spki, sign: (data) => key.sign(data) }
  }
}
