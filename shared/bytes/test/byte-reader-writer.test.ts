import { ByteReader, ByteWriter } from '@sallyport/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

describe('reader and writer', () => {
  it.each([
    ['u8', 2 ** 8],
    ['u16', 2 ** 16],
    ['u24', 2 ** 24],
    ['u32', 2 ** 32],
    ['u48', 2 ** 48],
  ] as const)('%s round-trips, around the bit where shifts turn negative too', (kind, limit) => {
    const edges = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 33, limit - 1].filter(
      (value) => value < limit,
    )
    for (const value of edges) expect(new ByteReader(new ByteWriter()[kind](value).finish())[kind]()).toBe(value)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: limit - 1 }), (value) => {
        expect(new ByteReader(new ByteWriter(0)[kind](value).finish())[kind]()).toBe(value)
      }),
      { seed: 1 },
    )
  })

  it('writes big-endian', () => {
    expect([...new ByteWriter().u48(0x010203040506).finish()]).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('prefixes vectors with their length, nested ones too', () => {
    const written = new ByteWriter().vector16((outer) => outer.u8(7).vector8((inner) => inner.u16(0x0102))).finish()
    expect([...written]).toEqual([0, 4, 7, 2, 1, 2])
    const outer = new ByteReader(written).vector16()
    expect(outer.u8()).toBe(7)
    expect([...outer.vector8().rest()]).toEqual([1, 2])
    outer.expectEnd()
  })

  it('refuses a vector that is longer than its length can say', () => {
    expect(() => new ByteWriter().vector8((inner) => inner.bytes(new Uint8Array(256)))).toThrow(RangeError)
  })

  it('does not grow a buffer that it was given', () => {
    expect(() => new ByteWriter(new Uint8Array(3)).u32(1)).toThrow(RangeError)
  })

  it('never reads past its end, whatever a length claims', () => {
    expect(() => new ByteReader(Uint8Array.of(0xff, 0xff, 1)).vector16()).toThrow(
      expect.objectContaining({ code: 'malformed-bytes' }),
    )
    const bounded = new ByteReader(Uint8Array.of(1, 2, 3, 4), 1, 3)
    expect(bounded.u16()).toBe(0x0203)
    expect(() => bounded.u8()).toThrow(expect.objectContaining({ blame: 'peer' }))
  })

  it('names how much was left over', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2))
    reader.u8()
    expect(() => reader.expectEnd()).toThrow('1 bytes too many')
  })
})
