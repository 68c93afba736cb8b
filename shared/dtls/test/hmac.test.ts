/** HMAC put together from the one-shot hash, against node:crypto's own. */

import { createHash, createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { digest, Hmac } from '../src/hmac.ts'

const bytes = (length: number, first: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (first + 7 * index) & 0xff)

// Around the block of either hash, and around what there is room for at first.
const lengths = [0, 1, 31, 32, 48, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 300, 5000]

test.each(['sha256', 'sha384'] as const)(
  'HMAC-%s is what node:crypto says, for keys and messages of any length',
  (name) => {
    for (const keyLength of lengths) {
      const key = bytes(keyLength, 1)
      const hmac = new Hmac(name, key)
      for (const messageLength of lengths) {
        const message = bytes(messageLength, 200)
        const expected = new Uint8Array(createHmac(name, key).update(message).digest())
        expect(new Uint8Array(hmac.of(message))).toEqual(expected)
        const cut = messageLength >> 1
        expect(new Uint8Array(hmac.of(message.subarray(0, cut), message.subarray(cut)))).toEqual(expected)
      }
    }
  },
)

test('a short message after a long one is not mixed with it', () => {
  const hmac = new Hmac('sha256', bytes(32, 3))
  const before = hmac.of(bytes(5, 9))
  hmac.of(bytes(4000, 9))
  expect(hmac.of(bytes(5, 9))).toEqual(before)
})

test.each(['sha256', 'sha384'] as const)('a digest of %s is what node:crypto says', (name) => {
  for (const length of lengths) {
    expect(new Uint8Array(digest(name, bytes(length, 5)))).toEqual(
      new Uint8Array(createHash(name).update(bytes(length, 5)).digest()),
    )
  }
})
