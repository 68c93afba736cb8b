import { fromHex, toHex, utf8 } from '@sallyport/bytes'
import { hasCode } from '@sallyport/errors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asRecord, decode, encode, isRecord, maxDepth, textAt, toJsonValue, type Value } from '../src/index.ts'

const json = (text: string): Value => decode(50, utf8(text))
const cbor = (hex: string): Value => decode(60, fromHex(hex))
const codeOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return hasCode(error, 'malformed-request', 'unsupported-content-format', 'request-too-large', 'validation-failed')
      ? error.code
      : String(error)
  }
  return 'accepted'
}

const isLarge = (value: unknown): value is number => Number.isInteger(value) && !Number.isSafeInteger(value)
const largeAsText = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_key, item) => (isLarge(item) && Math.abs(item) < 2 ** 64 ? String(item) : item)))

describe('representation', () => {
  it('reads the same value from JSON, CBOR and OCF CBOR', () => {
    const value = { state: true, power: 12, nested: { list: [1, 'two', null, -3.5] } }
    for (const format of [50, 60, 10000]) expect(decode(format, encode(format, value))).toEqual(value)
  })

  it('reads the maps and arrays of indefinite length that devices write', () => {
    expect(cbor('bf657374617465f5ff')).toEqual({ state: true })
    expect(cbor('9f0102ff')).toEqual([1, 2])
  })

  it('keeps integer keys in a Map, as RFC 9290 problem details need them', () => {
    const problem = new Map<number | string, Value>([
      [-1, 'title'],
      ['code', 'not-found'],
    ])
    expect(decode(60, encode(60, problem))).toEqual(problem)
    expect(isRecord(decode(60, encode(60, problem)))).toBe(false)
  })

  it('round-trips integers of 64 bits as bigint in CBOR', () => {
    for (const value of [2n ** 63n, -(2n ** 64n), 2n ** 64n - 1n]) expect(decode(60, encode(60, value))).toBe(value)
    expect(codeOf(() => encode(60, 2n ** 64n))).toBe('validation-failed')
  })

  it('reads a JSON integer outside the safe range without changing it', () => {
    expect(json('[9007199254740993]')).toEqual([9007199254740993n])
    expect(json('100000000000000000000')).toBe(1e20)
    expect(codeOf(() => json('9'.repeat(400)))).toBe('malformed-request')
  })

  it('says bytes as base64url and large integers as decimal text in JSON', () => {
    expect(toJsonValue({ a: fromHex('fbff'), b: 2n ** 63n })).toEqual({ a: '-_8', b: '9223372036854775808' })
    expect(toHex(encode(50, fromHex('fbff')))).toBe(toHex(utf8('"-_8"')))
  })

  it('does not hand out views into the input', () => {
    const input = fromHex('4401020304')
    const value = decode(60, input)
    input.fill(0)
    expect(value).toEqual(fromHex('01020304'))
  })

  it('names an unknown content format', () => {
    expect(codeOf(() => decode(11542, new Uint8Array()))).toBe('unsupported-content-format')
    expect(codeOf(() => encode(11542, null))).toBe('unsupported-content-format')
  })

  it('names the field of a request that is missing or of the wrong kind', () => {
    expect(() => textAt(asRecord(json('{"di":1}')), 'di')).toThrow("'di' is not text")
    expect(() => textAt(asRecord(json('{}')), 'di')).toThrow("'di' is missing")
    expect(codeOf(() => asRecord(json('[]')))).toBe('malformed-request')
  })

  it('round-trips any JSON value through JSON and CBOR', () => {
    const anyJson = fc.jsonValue({ maxDepth: 6, noUnicodeString: false }).map((value) => {
      const text = JSON.stringify(value)
      return { text, expected: JSON.parse(text) }
    })
    fc.assert(
      fc.property(anyJson, ({ text, expected }) => {
        const value = json(text)
        expect(JSON.parse(JSON.stringify(toJsonValue(value)))).toEqual(largeAsText(expected))
        expect(decode(60, encode(60, value))).toEqual(value)
      }),
      { seed: 2026, numRuns: 300 },
    )
  })

  it('answers any bytes with a value or a coded error, in every format', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(0, 42, 50, 60, 10000), (bytes, format) => {
        expect(['accepted', 'malformed-request']).toContain(codeOf(() => decode(format, bytes)))
      }),
      { seed: 2026, numRuns: 2000 },
    )
  })
})

describe('F21 payload bombs', () => {
  const nested = (levels: number): Uint8Array => new Uint8Array(levels + 1).fill(0x81, 0, levels)

  it(`reads ${maxDepth} levels and refuses one more, in CBOR and JSON`, () => {
    expect(codeOf(() => decode(60, nested(maxDepth)))).toBe('accepted')
    expect(codeOf(() => decode(60, nested(maxDepth + 1)))).toBe('malformed-request')
    expect(codeOf(() => json('['.repeat(maxDepth) + ']'.repeat(maxDepth)))).toBe('accepted')
    expect(codeOf(() => json('['.repeat(maxDepth + 1) + ']'.repeat(maxDepth + 1)))).toBe('malformed-request')
  })

  it('counts only open levels, not all containers', () => {
    expect(json(`[${Array(100).fill('[]').join()}]`)).toHaveLength(100)
    expect(cbor(`9864${'80'.repeat(100)}`)).toHaveLength(100)
    expect(cbor(`9864${'9fff'.repeat(100)}`)).toHaveLength(100)
  })

  it.each([
    ['arrays', 0x81],
    ['arrays of indefinite length', 0x9f],
    ['maps of indefinite length', 0xbf],
    ['tags', 0xc1],
  ])('refuses 10 000 nested %s without a stack overflow', (_name, byte) => {
    expect(codeOf(() => decode(60, new Uint8Array(10_000).fill(byte)))).toBe('malformed-request')
  })

  it('refuses 10 000 nested JSON arrays and objects', () => {
    expect(codeOf(() => json('['.repeat(10_000) + ']'.repeat(10_000)))).toBe('malformed-request')
    expect(codeOf(() => json(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`))).toBe('malformed-request')
  })

  it.each([
    '9b0000000100000000',
    '9affffffff',
    'bb00000000ffffffff',
    'bbffffffffffffffff',
    '5affffffff',
    '7b0000000100000000',
  ])('refuses a length of 2^32 that the input cannot hold (%s)', (hex) => {
    expect(codeOf(() => cbor(hex))).toBe('malformed-request')
  })

  it('refuses duplicate keys in CBOR and JSON', () => {
    expect(codeOf(() => cbor('a2616101616102'))).toBe('malformed-request')
    expect(codeOf(() => cbor('a201010102'))).toBe('malformed-request')
    expect(codeOf(() => json('{"a":1,"a":2}'))).toBe('malformed-request')
    expect(codeOf(() => json('{"a":1,"\\u0061":2}'))).toBe('malformed-request')
    expect(codeOf(() => json('{"__proto__":1,"__proto__":2}'))).toBe('malformed-request')
  })

  it('refuses byte and text strings of indefinite length', () => {
    expect(codeOf(() => cbor('5f4101ff'))).toBe('malformed-request')
    expect(codeOf(() => cbor('7f6161ff'))).toBe('malformed-request')
  })

  it.each(['f97e00', 'f97c00', 'f9fc00', 'fb7ff0000000000000', 'fa7f800000'])(
    'refuses NaN and infinities (%s)',
    (hex) => {
      expect(codeOf(() => cbor(hex))).toBe('malformed-request')
    },
  )

  it('refuses 1e400 and reads −0 as 0', () => {
    expect(codeOf(() => json('1e400'))).toBe('malformed-request')
    expect(json('-0')).toBe(0)
    expect(json('-0.0')).toBe(0)
    expect(cbor('f98000')).toBe(0)
    expect(codeOf(() => encode(60, Number.NaN))).toBe('validation-failed')
    expect(codeOf(() => encode(50, [Number.POSITIVE_INFINITY]))).toBe('validation-failed')
  })

  it('keeps __proto__ and constructor as plain keys that change no prototype', () => {
    for (const value of [
      json('{"__proto__":{"admin":true},"constructor":1}'),
      cbor('a1695f5f70726f746f5f5fa16561646d696ef5'),
    ]) {
      const record = asRecord(value)
      expect(Object.getPrototypeOf(record)).toBeNull()
      expect(Object.keys(record)).toContain('__proto__')
      expect(record.admin).toBeUndefined()
      expect(JSON.stringify(toJsonValue(value))).toContain('"__proto__":{"admin":true}')
    }
    expect(Object.hasOwn(Object.prototype, 'admin')).toBe(false)
  })

  it.each([
    'ff',
    'a1ff',
    'a161',
    '81ff',
    'a16161ff',
    'bf6161ff',
    'c11a514b67b0',
    'f7',
    'e0',
    '0000',
    '62c328',
    'a14101f5',
    'a1f501',
    '',
  ])('refuses CBOR that is cut, broken, or has no place here (%s)', (hex) => {
    expect(codeOf(() => cbor(hex))).toBe('malformed-request')
  })

  it.each([
    '',
    '1.',
    '01',
    '1e',
    '.5',
    "'a'",
    '"\\\'"',
    '[1,]',
    '{"a":1,}',
    '{a:1}',
    'NaN',
    '\ufeff1',
    '1 2',
    '"\u0001"',
    'nul',
  ])('refuses what is not JSON (%j)', (text) => {
    expect(codeOf(() => json(text))).toBe('malformed-request')
  })

  it('refuses text that is not UTF-8 in JSON, CBOR and plain text', () => {
    expect(codeOf(() => decode(50, fromHex('22c32822')))).toBe('malformed-request')
    expect(codeOf(() => decode(60, fromHex('6261ff')))).toBe('malformed-request')
    expect(codeOf(() => decode(0, fromHex('c328')))).toBe('malformed-request')
    expect(cbor('63efbfbd')).toBe('\ufffd')
  })

  it('refuses more than 256 KiB before it reads any', () => {
    expect(codeOf(() => decode(60, new Uint8Array(262_145)))).toBe('request-too-large')
  })
})
