/**
 * Asks the caller for the key of a PSK identity, and turns what comes back, a throw included, into what the machine
 * understands.
 */

import { randomBytes } from 'node:crypto'
import type { Answer } from '@sallyport/dtls'
import type { ErrorCode } from '@sallyport/errors'
import type { RemoteAddress } from './association.ts'

/** Who has the key is `identity`, once the handshake is finished; nothing is proven before. */
export interface PskFound<Identity> {
  /** At least 16 bytes. */
  readonly key: Uint8Array
  readonly identity: Identity
}

/** For log and metric. The peer is never told that its identity is the reason: it gets what a wrong key gets. */
export interface PskRefused {
  readonly refused: ErrorCode
  readonly detail: string
}

/**
 * Finds the key of a PSK identity: 1 to 128 bytes of any kind, seen by all, proving nothing. Undefined for one that is
 * not known. May take its time, the same for all; a throw ends the handshake with internal_error.
 */
export type FindPsk<Identity> = (
  identity: Uint8Array,
  peer: RemoteAddress,
) => Promise<PskFound<Identity> | PskRefused | undefined>

export interface PskLookup<Identity> {
  readonly answer: Answer
  readonly found: { readonly identity: Identity } | undefined
}

/** 128 bits: a handshake lets whoever talks to a device try keys at home (RFC 4279 section 7.2). */
const minKeyLength = 16

/** Never rejects. */
export async function lookUpPsk<Identity>(
  findPsk: FindPsk<Identity>,
  identity: Uint8Array,
  { address, port }: RemoteAddress,
): Promise<PskLookup<Identity>> {
  try {
    const found = await findPsk(identity, { address, port })
    if (found === undefined || 'refused' in found) {
      const { refused: code, detail } = found ?? unknown
      return {
        answer: { kind: 'findPsk', key: randomBytes(minKeyLength), refusal: { code, detail } },
        found: undefined,
      }
    }
    if (found.key.length < minKeyLength) throw new Error(`a key of ${found.key.length} bytes`)
    return { answer: { kind: 'findPsk', key: found.key, refusal: undefined }, found: { identity: found.identity } }
  } catch (error) {
    const detail = `the pre-shared key could not be looked up: ${error instanceof Error ? error.message : String(error)}`
    return { answer: { kind: 'failed', detail }, found: undefined }
  }
}

const unknown: PskRefused = { refused: 'psk-identity-unknown', detail: 'no key is known for the identity' }
