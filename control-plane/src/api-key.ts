/**
 * How an API key is written: `sallyport_` + its id (a UUID as 32 hexadecimal digits) + `_` + 43 characters of secret + 6 of
 * checksum.
 *
 * The prefix lets scanners of leaked secrets find it, the id is what it is looked up by, and the checksum (CRC-32 over all that
 * stands before it) tells a typing error or a look-alike without asking the database: any change of one character is found.
 * The checksum proves nothing: the secret does.
 *
 * Only SHA-256 of the whole is kept. A slow hash is for secrets that people choose; this one is 256 random bits, which nobody
 * tries out, and a key is verified on each request. Over the whole, so that no hash is good under another id.
 */

import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

const prefix = 'sallyport_'
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const checksumLength = 6
/** 62^43 > 2^256, 62^6 > 2^32. */
const secretLength = 43
const written = new RegExp(`^${prefix}([0-9a-f]{32})_[0-9A-Za-z]{${secretLength + checksumLength}}$`)

export const apiKeySecretBytes = 32

export interface ParsedApiKey {
  /** The UUID of the key that it says it is. Nothing is proven by it. */
  readonly id: string
  readonly sha256: Uint8Array
}

/** What starts so is meant to be an API key, and no other kind of token. */
export const looksLikeApiKey = (token: string): boolean => token.startsWith(prefix)

/**
 * @param id a UUID, lower-case.
 * @param secret 32 random bytes.
 */
export function writeApiKey(id: string, secret: Uint8Array): string {
  const number = BigInt(`0x${Buffer.from(secret).toString('hex')}`)
  const unchecked = `${apiKeyPrefix(id)}_${inBase62(number, secretLength)}`
  return unchecked + checksumOf(unchecked)
}

/** The part that may be shown: prefix and id. */
export const apiKeyPrefix = (id: string): string => prefix + id.replaceAll('-', '')

/** Undefined for what is no key of ours, or not as it was written. */
export function parseApiKey(text: string): ParsedApiKey | undefined {
  const id = written.exec(text)?.[1]
  if (id === undefined || checksumOf(text.slice(0, -checksumLength)) !== text.slice(-checksumLength)) return undefined
  return { id: id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'), sha256: apiKeySha256(text) }
}

export const apiKeySha256 = (key: string): Uint8Array => createHash('sha256').update(key).digest()

const checksumOf = (text: string): string => inBase62(BigInt(crc32(text)), checksumLength)

function inBase62(number: bigint, length: number): string {
  let digits = ''
  for (let rest = number; digits.length < length; rest /= 62n) digits = alphabet.charAt(Number(rest % 62n)) + digits
  return digits
}
