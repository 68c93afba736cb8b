import { fromHex, toHex, utf8 } from '@sallyport/bytes'
import { instant } from '@sallyport/clock'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeSenml, encodeSenml, type SenmlRecord, senmlCbor, senmlJson } from '../src/index.ts'

const now = instant(1_800_000_000_000)
const json = (pack: unknown): readonly SenmlRecord[] => decodeSenml(senmlJson, utf8(JSON.stringify(pack)), now)

describe('SenML', () => {
  it('resolves base name, base time, base unit and relative times (RFC 8428 section 5.1.3)', () => {
    expect(
      json([
        { bn: 'urn:dev:ow:10e2073a0108006:', bt: 1.276020076001e9, bu: 'A', bver: 5, n: 'voltage', u: 'V', v: 120.1 },
        { n: 'current', t: -5, v: 1.2 },
      ]),
    ).toEqual([
      { name: 'urn:dev:ow:10e2073a0108006:voltage', time: 1276020076001, unit: 'V', value: 120.1 },
      { name: 'urn:dev:ow:10e2073a0108006:current', time: 1276020071001, unit: 'A', value: 1.2 },
    ])
  })

  it('counts times below 2^28 from now, negative ones too (section 4.5.3)', () => {
    expect(json([{ n: 'a', v: 1 }])[0]?.time).toBe(now)
    expect(json([{ n: 'a', v: 1, t: -30 }])[0]?.time).toBe(now - 30_000)
    expect(json([{ n: 'a', v: 1, bt: 60 }])[0]?.time).toBe(now + 60_000)
    expect(json([{ n: 'a', v: 1, bt: 2 ** 28 }])[0]?.time).toBe(2 ** 28 * 1000)
  })

  it('reads the CBOR example of RFC 8428 section 6', () => {
    const pack = fromHex(
      [
        '87a721781b75726e3a6465763a6f773a3130653230373361303130383030363a22fb41d303a15b00106223614120050067766f6c746167650161',
        '5602fb405e066666666666a3006763757272656e74062402fb3ff3333333333333a3006763757272656e74062302fb3ff4cccccccccccda30067',
        '63757272656e74062202fb3ff6666666666666a3006763757272656e74062102f93e00a3006763757272656e74062002fb3ff999999999999aa3',
        '006763757272656e74060002fb3ffb333333333333',
      ].join(''),
    )
    const records = decodeSenml(senmlCbor, pack, now)
    expect(records).toHaveLength(7)
    expect(records[0]).toEqual({
      name: 'urn:dev:ow:10e2073a0108006:voltage',
      time: 1276020076001,
      unit: 'V',
      value: 120.1,
    })
    expect(records[1]).toEqual({
      name: 'urn:dev:ow:10e2073a0108006:current',
      time: 1276020071001,
      unit: 'A',
      value: 1.2,
    })
    expect(records[6]?.value).toBe(1.7)
  })

  it('reads text, booleans and data, in JSON as base64url and in CBOR as bytes', () => {
    expect(
      json([
        { n: 'a', vs: 'open' },
        { n: 'b', vb: false },
        { n: 'c', vd: 'aGk' },
      ]).map((r) => r.stringValue ?? r.booleanValue ?? r.dataValue),
    ).toEqual(['open', false, fromHex('6869')])
    expect(decodeSenml(senmlCbor, fromHex('81a2006163084268 69'.replaceAll(' ', '')), now)[0]?.dataValue).toEqual(
      fromHex('6869'),
    )
  })

  it('adds the base value to numbers and takes it where no value stands (section 4.1)', () => {
    expect(json([{ bv: 20, n: 'a', v: 1.5 }, { n: 'b' }]).map((r) => r.value)).toEqual([21.5, 20])
  })

  it('takes a record of base fields alone as no measurement', () => {
    expect(json([{ bn: 'x:' }, { n: 'a', v: 1 }])).toHaveLength(1)
  })

  it.each([
    ['a field that must be understood', [{ n: 'a', v: 1, new_: 1 }]],
    ['a version above 10', [{ bver: 11, n: 'a', v: 1 }]],
    ['two values', [{ n: 'a', v: 1, vs: 'x' }]],
    ['no name', [{ v: 1 }]],
    ['a name outside the alphabet', [{ n: 'a b', v: 1 }]],
    ['a name that begins with a dash', [{ n: '-a', v: 1 }]],
    ['a value of the wrong kind', [{ n: 'a', v: '1' }]],
    ['a flag of the wrong kind', [{ n: 'a', vb: 1 }]],
    ['data that is not base64url', [{ n: 'a', vd: '+/' }]],
    ['a time no date can hold', [{ n: 'a', v: 1, t: 1e300 }]],
    ['a record that is not a map', [1]],
    ['a pack that is not an array', { n: 'a', v: 1 }],
    ['1025 records', Array(1025).fill({ n: 'a', v: 1 })],
  ])('refuses %s', (_name, pack) => {
    expect(() => json(pack)).toThrow(expect.objectContaining({ code: 'malformed-request' }))
  })

  it('refuses a field under both its labels in CBOR', () => {
    expect(() => decodeSenml(senmlCbor, fromHex('81a3006161020161 7602'.replaceAll(' ', '')), now)).toThrow("'v' twice")
  })

  it('ignores an unknown field that need not be understood', () => {
    expect(json([{ n: 'a', v: 1, extra: { deep: true } }])).toHaveLength(1)
  })

  it('is for content formats 110 and 112 alone', () => {
    expect(() => decodeSenml(50, utf8('[]'), now)).toThrow(
      expect.objectContaining({ code: 'unsupported-content-format' }),
    )
    expect(toHex(encodeSenml(senmlCbor, [])) + toHex(encodeSenml(senmlJson, []))).toBe(`80${toHex(utf8('[]'))}`)
  })

  it('round-trips records through both formats', () => {
    const record = fc.record({
      name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9\-:./_]{0,20}$/),
      time: fc.integer({ min: 1e12, max: 4e12 }).map(instant),
      measured: fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => ({ value: value + 0 })),
        fc.string().map((stringValue) => ({ stringValue })),
        fc.boolean().map((booleanValue) => ({ booleanValue })),
        fc.uint8Array().map((dataValue) => ({ dataValue })),
      ),
    })
    fc.assert(
      fc.property(fc.array(record, { maxLength: 8 }), fc.constantFrom(senmlJson, senmlCbor), (list, format) => {
        const records = list.map(({ measured, ...rest }) => ({ ...rest, ...measured }))
        expect(decodeSenml(format, encodeSenml(format, records), now)).toEqual(records)
      }),
      { seed: 2026, numRuns: 300 },
    )
  })
})
