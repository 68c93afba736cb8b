/**
 * HPKE, base mode, one message (RFC 9180): DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. The Diffie-Hellman value is an input, so that
 * the private key that opens can stay in an HSM; so is the ephemeral key of the sender, which must be fresh for each message.
 *
 * It checks no point: whoever computes the Diffie-Hellman value does (section 7.1.4; `node:crypto` and PKCS#11 do).
 */

import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import { concat, utf8 } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'

export interface HpkeAgreement {
  /** The ephemeral public key of the sender: an uncompressed point of 65 bytes. It goes with the message. */
  readonly encapsulated: Uint8Array
  /** The recipient's public key: an uncompressed point of 65 bytes. */
  readonly recipient: Uint8Array
  /** The x-coordinate, 32 bytes. */
  readonly sharedSecret: Uint8Array
  /** What the message is for; both sides know it. */
  readonly info: Uint8Array
}

/** Section 7.3; AES-128-GCM is there for the RFC's own vectors. */
const aeads = {
  'aes-128-gcm': { id: 1, keyBytes: 16 },
  'aes-256-gcm': { id: 2, keyBytes: 32 },
} as const
export type HpkeAead = keyof typeof aeads

const nonceBytes = 12
const tagBytes = 16
const kemSuite = concat(utf8('KEM'), Uint8Array.of(0x00, 0x10))
const nothing = new Uint8Array(0)

/** @returns ciphertext, then the tag. */
export function hpkeSeal(
  agreement: HpkeAgreement,
  message: { readonly plaintext: Uint8Array; readonly additionalData: Uint8Array },
  aead: HpkeAead = 'aes-256-gcm',
): Uint8Array {
  const { key, nonce } = keySchedule(agreement, aead)
  const cipher = createCipheriv(aead, key, nonce).setAAD(message.additionalData)
  return concat(cipher.update(message.plaintext), cipher.final(), cipher.getAuthTag())
}

/** @throws CodedError `sealed-value-invalid`. */
export function hpkeOpen(
  agreement: HpkeAgreement,
  message: { readonly ciphertext: Uint8Array; readonly additionalData: Uint8Array },
  aead: HpkeAead = 'aes-256-gcm',
): Uint8Array {
  const { key, nonce } = keySchedule(agreement, aead)
  return openGcm(aead, { key, nonce, ...message })
}

/** AES-GCM with the tag at the end. @throws CodedError `sealed-value-invalid`. */
export function openGcm(
  aead: HpkeAead,
  sealed: {
    readonly key: Uint8Array
    readonly nonce: Uint8Array
    readonly ciphertext: Uint8Array
    readonly additionalData: Uint8Array
  },
): Uint8Array {
  const { key, nonce, ciphertext, additionalData } = sealed
  if (ciphertext.length < tagBytes || nonce.length !== nonceBytes) throw invalid()
  const decipher = createDecipheriv(aead, key, nonce, { authTagLength: tagBytes }).setAAD(additionalData)
  decipher.setAuthTag(ciphertext.subarray(-tagBytes))
  const opened = decipher.update(ciphertext.subarray(0, -tagBytes))
  try {
    return concat(opened, decipher.final())
  } catch {
    throw invalid()
  }
}

const invalid = (): CodedError => new CodedError('sealed-value-invalid', 'the sealed value does not open with this key')

/** Sections 4.1 (ExtractAndExpand) and 5.1 (KeySchedule, mode_base). */
function keySchedule(
  agreement: HpkeAgreement,
  aead: HpkeAead,
): { readonly key: Uint8Array; readonly nonce: Uint8Array } {
  const { encapsulated, recipient, sharedSecret: dh, info } = agreement
  const { id, keyBytes } = aeads[aead]
  const shared = labeledExpand(
    kemSuite,
    labeledExtract(kemSuite, nothing, 'eae_prk', dh),
    'shared_secret',
    concat(encapsulated, recipient),
    32,
  )
  const suite = concat(utf8('HPKE'), Uint8Array.of(0x00, 0x10, 0x00, 0x01, 0x00, id))
  const context = concat(
    Uint8Array.of(0),
    labeledExtract(suite, nothing, 'psk_id_hash', nothing),
    labeledExtract(suite, nothing, 'info_hash', info),
  )
  const secret = labeledExtract(suite, shared, 'secret', nothing)
  return {
    key: labeledExpand(suite, secret, 'key', context, keyBytes),
    nonce: labeledExpand(suite, secret, 'base_nonce', context, nonceBytes),
  }
}

const labeledExtract = (suite: Uint8Array, salt: Uint8Array, label: string, material: Uint8Array): Uint8Array =>
  hmac(salt, concat(utf8('HPKE-v1'), suite, utf8(label), material))

/** At most 32 bytes, which is one block of HKDF-Expand (RFC 5869 section 2.3). */
function labeledExpand(
  suite: Uint8Array,
  key: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const labeled = concat(Uint8Array.of(0, length), utf8('HPKE-v1'), suite, utf8(label), info)
  return hmac(key, concat(labeled, Uint8Array.of(1))).subarray(0, length)
}

const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array =>
  new Uint8Array(createHmac('sha256', key).update(data).digest())
