import { instant, milliseconds, seconds } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { parseCoapsUri } from '../src/coaps-uri.ts'
import { type DeviceEvent, jsonOf, lineOf } from '../src/device-event.ts'
import { DeviceFailure } from '../src/device-failure.ts'

describe('what a device says', () => {
  it('is one line for each event', () => {
    const events: DeviceEvent[] = [
      { kind: 'resource-updated', href: '/light/1', representation: { state: true, power: 75 } },
      { kind: 'resource-updated', href: '/light/1', representation: { state: false, power: 75 } },
      { kind: 'telemetry-stored', records: 3, took: milliseconds(12) },
      { kind: 'attempt-failed', failure: new DeviceFailure('connect', 'nothing answers'), retryIn: seconds(3.2) },
      { kind: 'renewed', validUntil: instant(0) },
    ]
    expect(events.map((event) => lineOf('id', event))).toEqual([
      'light/1 is now on (power 75 %)',
      'light/1 is now off',
      'telemetry stored: 3 records in 12 ms',
      'nothing answers; next try in 4 s',
      'certificate renewed: valid until 1970-01-01T00:00:00.000Z',
    ])
  })

  it('is JSON for programs', () => {
    const failure = new DeviceFailure('connect', 'no', { alert: 'unknown_ca', errorCode: 'handshake-failed' })
    expect(JSON.parse(jsonOf('id', { kind: 'attempt-failed', failure, retryIn: seconds(2) }))).toEqual({
      event: 'attempt-failed',
      deviceId: 'id',
      failure: { message: 'no', reason: 'connect unknown_ca handshake-failed' },
      retryIn: 2000,
    })
  })
})

describe('an address', () => {
  it('is a coaps URI of host and port', () => {
    expect(parseCoapsUri('coaps://127.0.0.1:15684')).toEqual({ host: '127.0.0.1', port: 15684 })
    expect(parseCoapsUri('coaps://[::1]')).toEqual({ host: '::1', port: 5684 })
    for (const uri of ['127.0.0.1:15684', 'https://x:1', 'coaps://', 'coaps://x:1/path', 'coaps+tcp://x:1']) {
      expect(() => parseCoapsUri(uri)).toThrow(`'${uri}' is not an address of the form coaps://host:port`)
    }
  })
})
