import { utf8 } from '@sallyport/bytes'
import { instant } from '@sallyport/clock'
import { encode, encodeSenml } from '@sallyport/representation'
import { describe, expect, it } from 'vitest'
import { telemetryRows } from '../src/telemetry-rows.ts'

const device = { deviceId: 'd', organizationId: 'o' }
const now = instant(Date.UTC(2026, 0, 1))
const json = (value: unknown) => utf8(JSON.stringify(value))

describe('telemetryRows', () => {
  it('reads SenML in JSON: base name and time, relative times, units and every kind of value', () => {
    const body = [
      { bn: 'urn:dev:', bt: now / 1000, n: 'temperature', u: 'Cel', v: 21.5 },
      { n: 'open', vb: true, t: -5 },
      { n: 'state', vs: 'idle' },
      { n: 'raw', vd: 'AQI' },
    ]
    expect(telemetryRows(device, 110, json(body), now)).toEqual([
      { ...device, name: 'urn:dev:temperature', at: now, value: 21.5, unit: 'Cel' },
      { ...device, name: 'urn:dev:open', at: now - 5000, value: true },
      { ...device, name: 'urn:dev:state', at: now, value: 'idle' },
      { ...device, name: 'urn:dev:raw', at: now, value: Uint8Array.of(1, 2) },
    ])
  })

  it('reads SenML in CBOR as it reads it in JSON', () => {
    const body = encodeSenml(112, [{ name: 'charge', time: now, unit: '%EL', value: 80 }])
    expect(telemetryRows(device, 112, body, now)).toEqual([
      { ...device, name: 'charge', at: now, value: 80, unit: '%EL' },
    ])
  })

  it('reads a plain map as measured now', () => {
    const body = encode(60, { charge: 80, open: false, state: 'idle' })
    expect(
      telemetryRows(device, 60, body, now)
        .map(({ name, at, value }) => [name, at, value])
        .sort(),
    ).toEqual([
      ['charge', now, 80],
      ['open', now, false],
      ['state', now, 'idle'],
    ])
  })

  it('takes device and organization from the association, whatever the body says', () => {
    const rows = telemetryRows(device, 50, json({ deviceId: 'other', organizationId: 'other' }), now)
    expect(rows.every((row) => row.deviceId === 'd' && row.organizationId === 'o')).toBe(true)
  })

  it('refuses another format, nothing measured, what is no value, too much, and the far future', () => {
    const refusal = (format: number | undefined, body: Uint8Array): unknown => {
      try {
        return telemetryRows(device, format, body, now)
      } catch (error) {
        return error
      }
    }
    expect(refusal(undefined, json({ a: 1 }))).toMatchObject({ code: 'unsupported-content-format' })
    expect(refusal(0, utf8('21'))).toMatchObject({ code: 'unsupported-content-format' })
    expect(refusal(50, json({}))).toMatchObject({ code: 'validation-failed' })
    expect(refusal(50, json({ a: { b: 1 } }))).toMatchObject({ code: 'validation-failed' })
    expect(refusal(50, json({ a: null }))).toMatchObject({ code: 'validation-failed' })
    expect(refusal(50, json([1]))).toMatchObject({ code: 'malformed-request' })
    expect(refusal(50, utf8('{"a":'))).toMatchObject({ code: 'malformed-request' })
    const many = Object.fromEntries(Array.from({ length: 1025 }, (_, index) => [`n${index}`, index]))
    expect(refusal(50, json(many))).toMatchObject({ code: 'validation-failed' })
    expect(refusal(110, json([{ n: 'a', v: 1, t: now / 1000 + 90_000 }]))).toMatchObject({ code: 'validation-failed' })
  })

  it('refuses what the database could not hold: U+0000, a unit that is none, times before 1970', () => {
    for (const record of ['{"n":"a","vs":"x\\u0000"}', '{"n":"a","u":"\\u0000","v":1}', '{"n":"a","v":1,"t":-8e12}']) {
      expect(() => telemetryRows(device, 110, utf8(`[${record}]`), now)).toThrow(
        expect.objectContaining({ code: 'validation-failed' }),
      )
    }
    expect(() => telemetryRows(device, 110, json([{ n: 'a', v: 1, u: 'x'.repeat(65) }]), now)).toThrow('unit')
    expect(() => telemetryRows(device, 50, json({ a: '\0' }), now)).toThrow('U+0000')
  })
})
