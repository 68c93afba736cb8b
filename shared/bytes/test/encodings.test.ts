import { inspect } from 'node:util'
import {
  concat,
  constantTimeEqual,
  fromBase64,
  fromBase64Url,
  fromHex,
  fromUtf8,
  SecretBytes,
  toBase64Url,
  toHex,
  utf8,
} from '@sallyport/bytes'
import { describe, expect, it } from 'vitest'

const malformed = expect.objectContaining({ code: 'malformed-bytes' })

describe('encodings', () => {
  it('hexadecimal round-trips and refuses anything else', () => {
    expect(toHex(fromHex('00FFa1'))).toBe('00ffa1')
    for (const text of ['0', '0g', ' 00', '0x00']) expect(() => fromHex(text)).toThrow(malformed)
  })

  it('base64url is taken in its canonical form alone', () => {
    expect(toBase64Url(fromBase64Url('_-8'))).toBe('_-8')
    for (const text of ['_-9', '_-8=', '/+8', '_ -8']) expect(() => fromBase64Url(text)).toThrow(malformed)
    expect(() => fromBase64('AA')).toThrow(malformed)
  })

  it('UTF-8 that is overlong, or a lone surrogate, is refused', () => {
    expect(fromUtf8(utf8('grüß'))).toBe('grüß')
    for (const bytes of [[0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xff]])
      expect(() => fromUtf8(Uint8Array.from(bytes))).toThrow(malformed)
  })

  it('joins, and compares without an early end', () => {
    expect([...concat(Uint8Array.of(1), Uint8Array.of(), Uint8Array.of(2, 3))]).toEqual([1, 2, 3])
    expect(constantTimeEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
    expect(constantTimeEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
    expect(constantTimeEqual(Uint8Array.of(1), Uint8Array.of(1, 2))).toBe(false)
  })
})

describe('secret bytes', () => {
  it('[5.10] show themselves in no form of printing', () => {
    const secret = SecretBytes.fromText('hunter2')
    const shown = [
      String(secret),
      `${secret}`,
      JSON.stringify({ secret }),
      inspect({ secret }, { depth: 5, showHidden: true }),
    ]
    for (const text of shown) expect(text).not.toMatch(/hunter2|104, ?117/)
    expect(secret.exposeText()).toBe('hunter2')
  })

  it('can be overwritten', () => {
    const secret = SecretBytes.fromText('hunter2')
    secret.wipe()
    expect([...secret.expose()].every((byte) => byte === 0)).toBe(true)
  })
})
