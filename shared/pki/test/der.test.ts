import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bitString,
  booleanValue,
  DerReader,
  integerContents,
  objectIdentifier,
  singleElement,
  smallInteger,
} from '../src/der-reader.ts'
import {
  derBoolean,
  derElement,
  derInteger,
  derNamedBits,
  derObjectIdentifier,
  derTime,
  derUnsigned,
} from '../src/index.ts'

const read = (...octets: number[]) => new DerReader(Uint8Array.from(octets)).next()
const refused = expect.objectContaining({ code: 'malformed-bytes' })

describe('lengths (X.690 section 10.1)', () => {
  it('[4.5] are taken in the shortest form alone, at every boundary', () => {
    for (const length of [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000]) {
      expect(singleElement(derElement(4, new Uint8Array(length)), 4, 'it').contents).toHaveLength(length)
    }
    expect(() => read(4, 0x81, 1, 0)).toThrow(refused)
    expect(() => read(4, 0x81, 0x7f, ...new Array<number>(0x7f).fill(0))).toThrow(refused)
    expect(() => read(4, 0x82, 0, 0x80, ...new Array<number>(0x80).fill(0))).toThrow(refused)
    expect(() => read(4, 0x80, 0, 0)).toThrow(refused)
    expect(() => read(4, 0xff)).toThrow(refused)
    expect(() => read(4, 0x85, 1, 0, 0, 0, 0)).toThrow(refused)
    expect(() => read(4, 2, 0)).toThrow(refused)
    expect(() => read(4, 0x84, 0xff, 0xff, 0xff, 0xff)).toThrow(refused)
    expect(() => read(4)).toThrow(refused)
  })

  it('[4.5] tags of several octets are refused', () => {
    expect(() => read(0x1f, 0x81, 0, 0)).toThrow(refused)
  })
})

describe('values', () => {
  it('[4.5] numbers round-trip, also at 31, 32 and 33 bits, and are refused with spare octets', () => {
    for (const value of [0, 1, 127, 128, 255, 256, 65_535, 0x7fffffff]) {
      expect(smallInteger(singleElement(derInteger(value), 2, 'it'), 'it')).toBe(value)
    }
    expect(() => smallInteger(singleElement(derInteger(0x80000000), 2, 'it'), 'it')).toThrow(refused)
    expect(() => smallInteger(singleElement(derUnsigned(Uint8Array.of(1, 0, 0, 0, 0)), 2, 'it'), 'it')).toThrow(refused)
    expect(() => integerContents(read(2, 2, 0, 1), 'it')).toThrow(refused)
    expect(() => integerContents(read(2, 2, 0xff, 0x80), 'it')).toThrow(refused)
    expect(() => integerContents(read(2, 0), 'it')).toThrow(refused)
    expect(integerContents(read(2, 2, 0, 0x80), 'it')).toEqual(Uint8Array.of(0, 0x80))
  })

  it('[4.5] booleans are 00 or FF', () => {
    expect(booleanValue(singleElement(derBoolean(true), 1, 'it'), 'it')).toBe(true)
    expect(booleanValue(singleElement(derBoolean(false), 1, 'it'), 'it')).toBe(false)
    expect(() => booleanValue(read(1, 1, 1), 'it')).toThrow(refused)
    expect(() => booleanValue(read(1, 2, 0, 0), 'it')).toThrow(refused)
  })

  it('[4.5] bit strings have at most seven unused bits, and those are zero', () => {
    expect(bitString(singleElement(derNamedBits([0, 4]), 3, 'it'), 'it')).toEqual({
      unusedBits: 3,
      octets: Uint8Array.of(0x88),
    })
    expect(derNamedBits([])).toEqual(Uint8Array.of(3, 1, 0))
    expect(derNamedBits([8])).toEqual(Uint8Array.of(3, 3, 7, 0, 0x80))
    for (const octets of [[], [8, 0], [1], [1, 1]]) {
      expect(() => bitString(singleElement(derElement(3, Uint8Array.from(octets)), 3, 'it'), 'it')).toThrow(refused)
    }
  })

  it('[4.5] object identifiers round-trip and are refused with padding or without an end', () => {
    fc.assert(
      fc.property(fc.nat(39), fc.array(fc.bigInt({ min: 0n, max: 2n ** 40n }), { maxLength: 6 }), (second, rest) => {
        const dotted = ['1', String(second), ...rest.map(String)].join('.')
        return objectIdentifier(singleElement(derObjectIdentifier(dotted), 6, 'it'), 'it') === dotted
      }),
      { seed: 1 },
    )
    expect(objectIdentifier(singleElement(derObjectIdentifier('2.999.1'), 6, 'it'), 'it')).toBe('2.999.1')
    for (const octets of [[], [0x80, 1], [0x2a, 0x80, 1], [0x2a, 0x81], new Array<number>(65).fill(1)]) {
      expect(() => objectIdentifier(singleElement(derElement(6, Uint8Array.from(octets)), 6, 'it'), 'it')).toThrow(
        refused,
      )
    }
  })

  it('dates are written as UTCTime through 2049 and as GeneralizedTime from 2050', () => {
    const text = (at: number) => Buffer.from(derTime(at).subarray(2)).toString()
    expect(text(Date.UTC(2049, 11, 31, 23, 59, 59))).toBe('491231235959Z')
    expect(text(Date.UTC(2050, 0, 1))).toBe('20500101000000Z')
    expect(text(Date.UTC(9999, 11, 31, 23, 59, 59))).toBe('99991231235959Z')
  })
})
