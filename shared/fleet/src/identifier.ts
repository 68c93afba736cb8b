/**
 * UUID version 7 (RFC 9562 section 5.7): 48 bits of milliseconds, then random bits. Sorted by text they are sorted by time,
 * to the millisecond; within one millisecond their order is random.
 */

import { toHex } from '@sallyport/bytes'
import type { Instant } from '@sallyport/clock'

export const randomBytesOfIdentifier = 10

/**
 * @param random exactly 10 unpredictable bytes; 74 of their 80 bits are used.
 * @throws RangeError when `random` has another length or `at` does not fit 48 bits.
 */
export function uuidV7(at: Instant, random: Uint8Array): string {
  if (random.length !== randomBytesOfIdentifier) throw new RangeError('a UUIDv7 takes 10 random bytes')
  if (!Number.isInteger(at) || at < 0 || at >= 2 ** 48) throw new RangeError('the time does not fit a UUIDv7')
  const bytes = new Uint8Array(16)
  // Two words: the shift operators of JavaScript work on 32 bits.
  new DataView(bytes.buffer).setUint16(0, Math.floor(at / 2 ** 32))
  new DataView(bytes.buffer).setUint32(2, at % 2 ** 32)
  bytes.set(random, 6)
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f)
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f)
  const hex = toHex(bytes)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
