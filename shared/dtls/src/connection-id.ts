/**
 * Connection IDs (RFC 9146): what a record carries so that its association is found without the peer's address.
 *
 * Each side names the CID that it wants to read in the records of the other; a name of no bytes asks for none. Ours have
 * one fixed length, since a record does not say how long its CID is. The first byte is the shard whose socket serves the
 * association, for whoever receives a datagram elsewhere; the rest tells an observer nothing.
 */

import type { AssociationHandle } from './output.ts'

export const connectionIdLength = 8

/** Bytes of randomness in a CID of ours. */
export const connectionIdRandomLength = connectionIdLength - 1

/**
 * What a peer may ask to read in each of our records, of the 255 that the extension has room for: the smallest datagram
 * that we can be told to keep to must still take a Finished. A longer one is not agreed to.
 */
export const maxPeerConnectionIdLength = 128

export const noConnectionId: Uint8Array = new Uint8Array(0)

/** The CIDs of an association: which one stands in the records that we write, which in those that we read. */
export interface ConnectionIds {
  readonly write: Uint8Array
  readonly read: Uint8Array
  /** Both sides answer return routability checks (RFC 9853). */
  readonly checksPaths: boolean
}

export const noConnectionIds: ConnectionIds = { write: noConnectionId, read: noConnectionId, checksPaths: false }

/** @throws RangeError for a shard that is no byte, or too little randomness: a mistake of the caller */
export function makeConnectionId(shard: number, random: Uint8Array): Uint8Array {
  if (random.length < connectionIdRandomLength) throw new RangeError(`${random.length} random bytes make no CID`)
  const connectionId = new Uint8Array(connectionIdLength)
  connectionId[0] = requireShard(shard)
  connectionId.set(random.subarray(0, connectionIdRandomLength), 1)
  return connectionId
}

/** @throws RangeError */
export function requireShard(shard: number): number {
  if (!Number.isInteger(shard) || shard < 0 || shard > 255) throw new RangeError(`shard ${shard} is not 0 to 255`)
  return shard
}

/** Compares names, not secrets: both have travelled in the clear. */
export function sameConnectionId(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index += 1) {
    if (a[index] !== b[index]) return false
  }
  return true
}

/** Which association reads under which CID. */
export class ConnectionIdIndex {
  readonly #associations = new Map<string, AssociationHandle>()

  get size(): number {
    return this.#associations.size
  }

  /** False, and nothing changed, when another association has it. */
  claim(connectionId: Uint8Array, association: AssociationHandle): boolean {
    const key = keyOf(connectionId)
    if (this.#associations.has(key)) return false
    this.#associations.set(key, association)
    return true
  }

  find(connectionId: Uint8Array): AssociationHandle | undefined {
    return this.#associations.get(keyOf(connectionId))
  }

  release(connectionId: Uint8Array): void {
    if (connectionId.length > 0) this.#associations.delete(keyOf(connectionId))
  }
}

const keyOf = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString('latin1')
