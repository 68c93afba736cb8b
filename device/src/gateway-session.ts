/**
 * The DTLS session that a device has with its gateway, in memory alone: with it, coming back costs no signatures. It belongs to
 * one gateway and to one certificate; a renewed certificate has to prove itself anew.
 */

import type { ClientSession } from '@sallyport/coaps'
import type { Identity } from './device-state.ts'

export class GatewaySession {
  #kept: { readonly of: string; readonly session: ClientSession } | undefined

  /** @param gateway as in the cloud configuration */
  find(gateway: string, identity: Identity): ClientSession | undefined {
    return this.#kept?.of === nameOf(gateway, identity) ? this.#kept.session : undefined
  }

  /** Undefined: the one before must not be used any more. */
  keep(gateway: string, identity: Identity, session: ClientSession | undefined): void {
    this.#kept = session === undefined ? undefined : { of: nameOf(gateway, identity), session }
  }
}

const nameOf = (gateway: string, { chain }: Identity): string => `${chain[0]?.sha256 ?? '-'} ${gateway}`
