import { createCipheriv, createSecretKey, randomInt } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Ccm, type CcmTagLength } from '../src/ccm.ts'

/** RFC 3610 has no vector with a nonce of 12 bytes; NIST SP 800-38C appendix C.3 (example 3) has one, with a tag of 8. */
const example3 = {
  key: '404142434445464748494a4b4c4d4e4f',
  nonce: '101112131415161718191a1b',
  additionalData: '000102030405060708090a0b0c0d0e0f10111213',
  plaintext: '202122232425262728292a2b2c2d2e2f3031323334353637',
  sealed: 'e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951',
}

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))

describe('AES-CCM', () => {
  it('seals and opens example 3 of NIST SP 800-38C', () => {
    const ccm = new Ccm(createSecretKey(bytes(example3.key)), 8)
    const nonce = bytes(example3.nonce)
    const additionalData = bytes(example3.additionalData)
    expect(Buffer.from(sealed(ccm, 8, nonce, additionalData, bytes(example3.plaintext))).toString('hex')).toBe(
      example3.sealed,
    )
    expect(ccm.open(nonce, additionalData, bytes(example3.sealed), 0)).toEqual(bytes(example3.plaintext))
  })

  for (const tagLength of [8, 16] as const) {
    it(`seals what OpenSSL seals, whatever the lengths, over and over under one key (tag of ${tagLength})`, () => {
      const seed = randomInt(2 ** 31)
      const random = randomFrom(seed)
      const key = random.bytes(16)
      const ccm = new Ccm(createSecretKey(key), tagLength)
      for (let count = 0; count < 400; count += 1) {
        const nonce = random.bytes(12)
        const additionalData = random.bytes(1 + random.below(60))
        const plaintext = random.bytes(count < 60 ? count : random.below(count % 20 === 0 ? 16_384 : 600))
        const ours = sealed(ccm, tagLength, nonce, additionalData, plaintext)
        expect(ours, `seed ${seed}, message ${count}`).toEqual(
          sealedByOpenssl(key, tagLength, nonce, additionalData, plaintext),
        )
        expect(ccm.open(nonce, additionalData, ours, 0), `seed ${seed}, message ${count}`).toEqual(plaintext)
      }
    })

    it(`opens nothing of which a bit was turned, and goes on with the next (tag of ${tagLength})`, () => {
      const seed = randomInt(2 ** 31)
      const random = randomFrom(seed)
      const ccm = new Ccm(createSecretKey(random.bytes(16)), tagLength)
      const nonce = random.bytes(12)
      const additionalData = random.bytes(13)
      const plaintext = random.bytes(40)
      const good = sealed(ccm, tagLength, nonce, additionalData, plaintext)
      for (let bit = 0; bit < good.length * 8; bit += 1) {
        const forged = good.slice()
        forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(ccm.open(nonce, additionalData, forged, 0), `seed ${seed}, bit ${bit}`).toBeUndefined()
      }
      for (const where of [nonce, additionalData]) {
        where[3] = (where[3] as number) ^ 1
        expect(ccm.open(nonce, additionalData, good, 0), `seed ${seed}`).toBeUndefined()
        where[3] = (where[3] as number) ^ 1
      }
      for (let length = 0; length < good.length; length += 1) {
        expect(ccm.open(nonce, additionalData, good.subarray(0, length), 0), `${length} bytes`).toBeUndefined()
      }
      expect(ccm.open(nonce, additionalData, good, 0)).toEqual(plaintext)
    })
  }

  it('seals in place, and opens what stands behind other bytes', () => {
    const ccm = new Ccm(createSecretKey(bytes(example3.key)), 8)
    const nonce = bytes(example3.nonce)
    const additionalData = bytes(example3.additionalData)
    const datagram = new Uint8Array(5 + 24 + 8)
    datagram.set(bytes(example3.plaintext), 5)
    ccm.seal(nonce, additionalData, datagram.subarray(5, 29), datagram, 5)
    expect(datagram.slice(5)).toEqual(bytes(example3.sealed))
    expect(ccm.open(nonce, additionalData, datagram, 5)).toEqual(bytes(example3.plaintext))
  })
})

function sealed(
  ccm: Ccm,
  tagLength: CcmTagLength,
  nonce: Uint8Array,
  additionalData: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const into = new Uint8Array(plaintext.length + tagLength)
  ccm.seal(nonce, additionalData, plaintext, into, 0)
  return into
}

function sealedByOpenssl(
  key: Uint8Array,
  authTagLength: CcmTagLength,
  nonce: Uint8Array,
  additionalData: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv('aes-128-ccm', key, nonce, { authTagLength })
  cipher.setAAD(additionalData, { plaintextLength: plaintext.length })
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  return new Uint8Array(Buffer.concat([ciphertext, cipher.getAuthTag()]))
}

/** Reproducible: mulberry32. */
function randomFrom(seed: number) {
  let state = seed
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
  return { below, bytes: (length: number): Uint8Array => Uint8Array.from({ length }, () => below(256)) }
}
