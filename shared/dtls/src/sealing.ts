/**
 * Seals what we hand out, or leave with others, to get it back: session tickets (RFC 5077 section 4) and snapshots of
 * associations. AES-256-GCM; the purpose is authenticated, so that one kind never passes for another.
 *
 *     key id(8) ‖ nonce(12) ‖ ciphertext ‖ tag(16)
 *
 * Two keys live at a time: what the former one sealed still opens. Whoever has a key reads every secret that it sealed,
 * and can make what we then believe: keys stay in memory and are replaced in time.
 */

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { concat } from '@sallyport/bytes'

/** Names a key in what it sealed; no secret. */
export const sealingKeyIdLength = 8
export const sealingKeyLength = 32
export const sealingNonceLength = 12
const tagLength = 16

/** Bytes that sealing adds. */
export const sealingOverhead = sealingKeyIdLength + sealingNonceLength + tagLength

export interface SealingKey {
  /** 8 bytes, never those of another key. */
  readonly id: Uint8Array
  /** 32 bytes. */
  readonly key: Uint8Array
}

export interface SealingKeys {
  /** Seals and opens. */
  readonly current: SealingKey
  /** Opens alone. */
  readonly previous?: SealingKey
}

export type SealingPurpose = 'session-ticket' | 'association'

/**
 * @param nonce 12 random bytes, never used before: 2^32 seals under one key are the most that chance bears (NIST SP
 * 800-38D section 8.3)
 * @throws RangeError for a key or a nonce of another length: a mistake of the caller
 */
export function sealState(
  keys: SealingKeys,
  purpose: SealingPurpose,
  state: Uint8Array,
  nonce: Uint8Array,
): Uint8Array {
  const { id } = keys.current
  const key = imported(keys.current)
  if (nonce.length !== sealingNonceLength) throw new RangeError(`a nonce of ${nonce.length} bytes`)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(additionalData(purpose, id))
  return concat(id, nonce, cipher.update(state), cipher.final(), cipher.getAuthTag())
}

/** What was sealed for this purpose under one of the keys; undefined for anything else, and for what was altered. */
export function openState(keys: SealingKeys, purpose: SealingPurpose, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < sealingOverhead) return undefined
  const id = sealed.subarray(0, sealingKeyIdLength)
  const sealingKey = [keys.current, keys.previous].find((known) => known !== undefined && isSame(known.id, id))
  if (sealingKey === undefined) return undefined
  const key = imported(sealingKey)
  const end = sealed.length - tagLength
  const nonce = sealed.subarray(sealingKeyIdLength, sealingKeyIdLength + sealingNonceLength)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength })
  decipher.setAAD(additionalData(purpose, id))
  decipher.setAuthTag(sealed.subarray(end))
  const opened = decipher.update(sealed.subarray(sealingKeyIdLength + sealingNonceLength, end))
  try {
    decipher.final()
  } catch {
    // What node:crypto throws for a wrong tag has no name of its own; nothing else can fail here.
    return undefined
  }
  return new Uint8Array(opened)
}

/** Whether it was sealed under the current key: what is not should be sealed anew before its key is gone. */
export const isSealedByCurrent = (keys: SealingKeys, sealed: Uint8Array): boolean =>
  isSame(keys.current.id, sealed.subarray(0, sealingKeyIdLength))

/** Imported once: a key serves for a day of tickets. */
const importedKeys = new WeakMap<SealingKey, KeyObject>()

/** @throws RangeError for a key or an id of another length */
function imported(sealingKey: SealingKey): KeyObject {
  const known = importedKeys.get(sealingKey)
  if (known !== undefined) return known
  const { id, key } = sealingKey
  if (id.length !== sealingKeyIdLength || key.length !== sealingKeyLength) {
    throw new RangeError(`a sealing key of ${key.length} bytes with an id of ${id.length}`)
  }
  const made = createSecretKey(key)
  importedKeys.set(sealingKey, made)
  return made
}

const additionalData = (purpose: SealingPurpose, id: Uint8Array): Uint8Array =>
  concat(new TextEncoder().encode(`sallyport ${purpose} v1|`), id)

/** Compares names, not secrets. */
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
