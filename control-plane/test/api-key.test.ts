import { randomBytes, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { apiKeyPrefix, apiKeySha256, looksLikeApiKey, parseApiKey, writeApiKey } from '../src/api-key.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const keys = fc.tuple(fc.uuid(), bytes(32)).map(([id, secret]) => ({ id, secret, key: writeApiKey(id, secret) }))
const printable = fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code))

describe('an API key', () => {
  it('is read back as it was written, whatever its secret: the same length, letters and digits alone after the prefix', () => {
    fc.assert(
      fc.property(keys, ({ id, key }) => {
        expect(key).toMatch(/^sallyport_[0-9a-f]{32}_[0-9A-Za-z]{49}$/)
        expect(parseApiKey(key)).toEqual({ id, sha256: apiKeySha256(key) })
        expect(key.startsWith(`${apiKeyPrefix(id)}_`)).toBe(true)
        expect(looksLikeApiKey(key)).toBe(true)
      }),
    )
    for (const fill of [0, 255]) {
      const key = writeApiKey(randomUUID(), new Uint8Array(32).fill(fill))
      expect(key).toHaveLength(92)
      expect(parseApiKey(key)).toBeDefined()
    }
  })

  it('[1.3] [1.15] with one character changed, left out, doubled or put in is none, which is seen without a database', () => {
    fc.assert(
      fc.property(keys, fc.nat(), printable, ({ key }, where, character) => {
        const at = where % key.length
        const changed = key.slice(0, at) + character + key.slice(at + 1)
        if (changed !== key) expect(parseApiKey(changed)).toBeUndefined()
        expect(parseApiKey(key.slice(0, at) + key.slice(at + 1))).toBeUndefined()
        expect(parseApiKey(key.slice(0, at) + character + key.slice(at))).toBeUndefined()
      }),
      { numRuns: 2000 },
    )
  })

  it('of which every character is changed to every other of its alphabet is none', () => {
    const key = writeApiKey(randomUUID(), randomBytes(32))
    const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_'
    for (let at = 0; at < key.length; at += 1) {
      for (const character of alphabet) {
        if (character === key[at]) continue
        expect(parseApiKey(key.slice(0, at) + character + key.slice(at + 1))).toBeUndefined()
      }
    }
  })

  it('with two neighbours changed places is none', () => {
    const key = writeApiKey(randomUUID(), randomBytes(32))
    for (let at = 0; at + 1 < key.length; at += 1) {
      const [one = '', two = ''] = key.slice(at, at + 2)
      if (one === two) continue
      expect(parseApiKey(key.slice(0, at) + two + one + key.slice(at + 2))).toBeUndefined()
    }
  })

  it('has a hash that is good under its own id alone, and differs in one bit of the secret', () => {
    const secret = randomBytes(32)
    const id = randomUUID()
    const [one, other] = [writeApiKey(id, secret), writeApiKey(randomUUID(), secret)]
    expect(apiKeySha256(one)).not.toEqual(apiKeySha256(other))
    secret[31] = (secret[31] ?? 0) ^ 1
    expect(writeApiKey(id, secret)).not.toBe(one)
  })
})
