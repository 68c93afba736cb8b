import { fromHex, toHex } from '@sallyport/bytes'
import { describe, expect, it } from 'vitest'
import { prf } from '../src/prf.ts'

/** "Test vectors for TLS 1.2 PRF", IETF TLS working group's list, 2009-12. */
const vectors = [
  {
    hash: 'sha256',
    secret: '9bbe436ba940f017b17652849a71db35',
    seed: 'a0ba9f936cda311827a6f796ffd5198c',
    output:
      'e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17' +
      'abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66',
  },
  {
    hash: 'sha384',
    secret: 'b80b733d6ceefcdc71566ea48e5567df',
    seed: 'cd665cf6a8447dd6ff8b27555edb7465',
    output:
      '7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700' +
      '884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d9184259b5bf8cd4d90fa0d31e2dec479e4f1a2' +
      '6066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e0990703d73e56f',
  },
] as const

describe('the pseudorandom function of TLS 1.2 (RFC 5246 section 5)', () => {
  for (const { hash, secret, seed, output } of vectors) {
    it(`gives the published ${output.length / 2} bytes with ${hash}, and each shorter output is a prefix`, () => {
      const whole = toHex(prf(hash, fromHex(secret), 'test label', [fromHex(seed)], output.length / 2))
      expect(whole).toBe(output)
      for (const length of [0, 1, 12, 31, 32, 33, 48, 64]) {
        const shorter = prf(hash, fromHex(secret), 'test label', [fromHex(seed)], length)
        expect(toHex(shorter)).toBe(output.slice(0, 2 * length))
      }
    })
  }

  it('takes a seed in pieces as it takes it whole', () => {
    const seed = fromHex(vectors[0].seed)
    const secret = fromHex(vectors[0].secret)
    const pieces = prf('sha256', secret, 'test label', [seed.subarray(0, 5), seed.subarray(5)], 48)
    expect(toHex(pieces)).toBe(vectors[0].output.slice(0, 96))
  })
})
