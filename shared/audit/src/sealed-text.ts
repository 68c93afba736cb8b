/**
 * A text of the trail about a person: encrypted under a key of that person (AES-256-GCM), which is itself sealed to the installation's
 * audit-opening key. The chain is over the sealed form, so that a person's key can be destroyed and the chain still be proven.
 */

import { createCipheriv } from 'node:crypto'
import { concat, fromBase64Url, fromUtf8, toBase64Url, utf8 } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import { openGcm } from './hpke.ts'

export interface SealedText {
  /** The id of the person's key. */
  readonly key: string
  /** base64url of nonce ‖ ciphertext ‖ tag. */
  readonly sealed: string
}

/** What a sealed text belongs to: it opens nowhere else. */
export interface SealedPlace {
  readonly eventId: string
  /** `address`, or the name of a field of the details. */
  readonly field: string
  /** Whose key it is, such as `user/<id>`. */
  readonly subject: string
}

const nonceBytes = 12

/** @param nonce 12 fresh random bytes. */
export function sealText(
  text: string,
  key: { readonly id: string; readonly bytes: Uint8Array },
  place: SealedPlace,
  nonce: Uint8Array,
): SealedText {
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce).setAAD(contextOf(place))
  const sealed = concat(nonce, cipher.update(utf8(text)), cipher.final(), cipher.getAuthTag())
  return { key: key.id, sealed: toBase64Url(sealed) }
}

/** @throws CodedError `sealed-value-invalid`. */
export function openText({ sealed }: SealedText, key: Uint8Array, place: SealedPlace): string {
  const bytes = fromBase64Url(sealed)
  const [nonce, ciphertext] = [bytes.subarray(0, nonceBytes), bytes.subarray(nonceBytes)]
  return fromUtf8(openGcm('aes-256-gcm', { key, nonce, ciphertext, additionalData: contextOf(place) }))
}

const contextOf = ({ eventId, field, subject }: SealedPlace): Uint8Array =>
  utf8(`sallyport audit field 1\0${eventId}\0${field}\0${subject}`)

export const isSealedText = (value: unknown): value is SealedText =>
  typeof value === 'object' &&
  value !== null &&
  'key' in value &&
  typeof value.key === 'string' &&
  'sealed' in value &&
  typeof value.sealed === 'string'

const column = /^sealed:([0-9a-f-]{36}):([\w-]+)$/

/** A sealed text where only text fits: the address of an event. */
export const sealedColumn = ({ key, sealed }: SealedText): string => `sealed:${key}:${sealed}`

/** Undefined for a text that is not sealed. */
export function sealedInColumn(text: string): SealedText | undefined {
  const [, key, sealed] = column.exec(text) ?? []
  return key === undefined || sealed === undefined ? undefined : { key, sealed }
}

/** What binds a person's sealed key to its row: it is no other person's, and no other organization's. */
export const subjectKeyContext = (row: {
  readonly id: string
  readonly organizationId: string | undefined
  readonly subject: string
}): Uint8Array => utf8(`sallyport audit subject key 1\0${row.id}\0${row.organizationId ?? ''}\0${row.subject}`)

/** The `info` of its HPKE. */
export const subjectKeyPurpose: Uint8Array = utf8('sallyport audit subject key 1')

/** @throws CodedError `sealed-value-invalid` */
export function pointOf(spki: Uint8Array): Uint8Array {
  const point = spki.subarray(-65)
  if (spki.length === 91 && point[0] === 4) return point
  throw new CodedError('sealed-value-invalid', 'the audit-opening key is no P-256 key')
}
