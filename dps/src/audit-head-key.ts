/**
 * The key that signs heads of the audit chain, in the HSM beside the authorities' keys. The first dps of an installation
 * makes it; its public half is recorded before its first use, and never forgotten.
 */

import { toHex } from '@sallyport/bytes'
import type { TokenKey } from '@sallyport/hsm'
import type { AuditChain } from '@sallyport/store'
import type { HsmToken } from './hsm-token.ts'

export interface AuditHeadKeyOptions {
  readonly token: HsmToken
  readonly chain: Pick<AuditChain, 'recordHeadKey'>
  /** One dps at a time: two that start at once must not make two keys. */
  readonly withLock: <T>(work: () => Promise<T>) => Promise<T>
}

const label = 'audit-head'

export class AuditHeadKey {
  readonly #options: AuditHeadKeyOptions
  #key: Promise<TokenKey> | undefined

  constructor(options: AuditHeadKeyOptions) {
    this.#options = options
  }

  /** @throws CodedError `hsm-unavailable`, `database-unavailable`; the next call tries again. */
  async sign(bytes: Uint8Array): Promise<{ readonly keyId: string; readonly signature: Uint8Array }> {
    this.#key ??= this.#options
      .withLock(() => this.#findOrMake())
      .catch((error) => {
        this.#key = undefined
        throw error
      })
    const key = await this.#key
    return { keyId: toHex(key.id), signature: await key.sign(bytes) }
  }

  async #findOrMake(): Promise<TokenKey> {
    const token = await this.#options.token.opened()
    const known = (await token.listEcKeys()).find((key) => key.label === label)
    const key = known ?? (await token.generateEcKey({ label, curve: 'P-256' }))
    await this.#options.chain.recordHeadKey({ id: toHex(key.id), spki: key.spki })
    return key
  }
}
