/**
 * What the rest of the product sees of an HSM: a token with EC keys that sign and AES keys that seal.
 *
 * No private key and no secret key ever leaves it. A signature is released only after it was verified with the public
 * key that the caller named, so a faulty token, a wrong handle or a swapped key can make a request fail but never
 * make a wrong certificate.
 */

import type { SecretBytes } from '@sallyport/bytes'
import type { Duration } from '@sallyport/clock'

export type TokenCurve = 'P-256' | 'P-384'

/**
 * Mutual exclusion between all processes that share the token's module. PKCS#11 modules race when several processes
 * initialize and log in at once (SoftHSM rewrites a file at each log-in and others see the token missing).
 */
export interface TokenLock {
  withLock<T>(work: () => Promise<T>): Promise<T>
}

export interface OpenTokenOptions {
  /** Path of the PKCS#11 module, such as `/usr/lib/softhsm/libsofthsm2.so`. */
  readonly modulePath: string
  /** Label given when the token was initialized. Slot numbers change and are never used. */
  readonly tokenLabel: string
  /** The user PIN. A PIN that was refused once is never tried again by this process: three more would lock the token. */
  readonly pin: SecretBytes
  readonly lock: TokenLock
  /** Sessions held open; 4 unless told. More gain nothing, and a YubiHSM 2 has 16 for all its clients. */
  readonly sessions?: number
  /** How long one operation may take; 10 s unless told. */
  readonly timeout?: Duration
  /** Told of what happens to the connection with the token: reopened sessions, failed attempts. */
  readonly observer?: TokenObserver
}

export interface TokenObserver {
  /** Sessions with the token are open (at the start, and again after it was lost). */
  opened?(event: { readonly attempts: number }): void
  /** The token was lost or could not be opened; the next use tries again. `reason` is a PKCS#11 name or our own word. */
  lost?(event: { readonly reason: string }): void
}

export interface GenerateEcKeyOptions {
  readonly label: string
  readonly curve: TokenCurve
  /** `agree`: for Diffie-Hellman, and then for nothing else. Default `sign`. */
  readonly use?: 'sign' | 'agree'
  /**
   * Wraps the new key once (CKM_AES_KEY_WRAP_PAD, under the AES key of this label) and hands the wrapped bytes to
   * `keep`, then makes the key non-extractable for good, before its first use. Off by default: then the key is born
   * non-extractable, and a copy of the token is the only backup. With it CKA_NEVER_EXTRACTABLE is false for ever.
   */
  readonly backup?: { readonly wrappingKeyLabel: string; keep(wrapped: Uint8Array): Promise<void> }
}

/** An EC private key in the token. */
export interface TokenKey {
  /** CKA_ID, 16 random bytes. */
  readonly id: Uint8Array
  readonly label: string
  /** DER SubjectPublicKeyInfo (RFC 5480), named curve, uncompressed point. */
  readonly spki: Uint8Array
  readonly curve: TokenCurve
  /**
   * Hashes with the curve's hash (SHA-256 or SHA-384), signs in the token and verifies the signature.
   * @returns a DER ECDSA-Sig-Value (RFC 3279 section 2.2.3).
   * @throws CodedError `hsm-unavailable`, `hsm-key-missing`, `hsm-signature-wrong`.
   */
  sign(data: Uint8Array): Promise<Uint8Array>
  /**
   * Diffie-Hellman in the token (CKM_ECDH1_DERIVE), of a key that was made to `agree`.
   * @param point of the other side, uncompressed; one that is not on the curve is refused.
   * @returns the x-coordinate (SEC 1 section 3.3.1).
   * @throws CodedError `sealed-value-invalid` for what is no point, `hsm-unavailable`, `hsm-key-missing`.
   */
  agree(point: Uint8Array): Promise<Uint8Array>
}

/** An AES-256 key in the token that seals small secrets. */
export interface SealingKey {
  readonly label: string
  /** The number at the end of the label (`kek-3` → 3); it stands in each envelope. */
  readonly generation: number
  /** @param context authenticated, not stored: what the secret is for. Opening needs the same bytes. Neither is above 64 KiB, and the plaintext is never empty. */
  seal(plaintext: Uint8Array, context: Uint8Array): Promise<Uint8Array>
  /** @throws CodedError `sealed-value-invalid` when the envelope, its generation or the context is not the right one. */
  open(envelope: Uint8Array, context: Uint8Array): Promise<Uint8Array>
}

export interface Token {
  readonly label: string
  /** @throws CodedError `hsm-unavailable`, also when the token made a key whose attributes are not those asked for. */
  generateEcKey(options: GenerateEcKeyOptions): Promise<TokenKey>
  /** @throws CodedError `hsm-key-missing` unless exactly one key has this id and this public key. */
  findEcKey(key: { readonly id: Uint8Array; readonly publicKey: Uint8Array }): Promise<TokenKey>
  listEcKeys(): Promise<TokenKey[]>
  /** @param label ends in `-<generation>`, such as `kek-1`. @throws CodedError `conflict` when the label is taken. */
  generateSealingKey(label: string): Promise<void>
  /** @throws CodedError `hsm-key-missing`. */
  findSealingKey(label: string): Promise<SealingKey>
  /** Proves that the token answers. @throws CodedError `hsm-unavailable`. */
  probe(): Promise<void>
  /** Ends what is in flight and closes the sessions; the token is of no use afterwards. */
  close(): Promise<void>
}
