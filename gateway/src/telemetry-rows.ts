/**
 * A telemetry body as rows: SenML in JSON or CBOR (RFC 8428), or a plain map from names to values, measured now.
 *
 * The device and its organization come from the association, never from the body.
 */

import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import {
  asRecord,
  decode,
  decodeSenml,
  type SenmlRecord,
  senmlCbor,
  senmlJson,
  type Value,
} from '@sallyport/representation'
import type { TelemetryRow } from '@sallyport/store'
import type { DeviceIdentity } from './device-identity.ts'

export type TelemetryValue = number | string | boolean | Uint8Array

const plainFormats: ReadonlySet<number> = new Set([50, 60, 10000])
const mostRows = 1024
const longestName = 255
const longestUnit = 64
/** Clocks of devices run ahead; a measurement from farther in the future is a mistake. */
const farthestFuture = 24 * 3_600_000

/**
 * @param now what a measurement without a time was taken at
 * @throws CodedError `unsupported-content-format`, `malformed-request`, `validation-failed`
 */
export function telemetryRows(
  device: Pick<DeviceIdentity, 'deviceId' | 'organizationId'>,
  contentFormat: number | undefined,
  payload: Uint8Array,
  now: Instant,
): readonly TelemetryRow[] {
  const { deviceId, organizationId } = device
  const rows = measurementsIn(contentFormat, payload, now).map((measured) => ({
    deviceId,
    organizationId,
    ...measured,
  }))
  if (rows.length === 0) throw new CodedError('validation-failed', 'The body holds no measurement.')
  if (rows.length > mostRows) throw new CodedError('validation-failed', `Send at most ${mostRows} measurements.`)
  for (const row of rows) assertStorable(row, now)
  return rows
}

/** What the database would refuse is refused here: it shares an insert with the measurements of others. */
function assertStorable({ name, at, value, unit = '' }: TelemetryRow, now: Instant): void {
  if (at > now + farthestFuture) throw new CodedError('validation-failed', `'${name}' lies in the future.`)
  if (at < 0) throw new CodedError('validation-failed', `'${name}' lies before 1970.`)
  if (unit.length > longestUnit || /\p{Cc}/u.test(unit)) {
    throw new CodedError('validation-failed', `'${name}' has a unit that is none.`)
  }
  if (typeof value === 'string' && value.includes('\0')) {
    throw new CodedError('validation-failed', `'${name}' has the character U+0000, which cannot be stored.`)
  }
}

type Measured = Omit<TelemetryRow, 'deviceId' | 'organizationId'>

function measurementsIn(contentFormat: number | undefined, payload: Uint8Array, now: Instant): readonly Measured[] {
  if (contentFormat === senmlJson || contentFormat === senmlCbor) {
    return decodeSenml(contentFormat, payload, now).map(fromSenml)
  }
  if (contentFormat !== undefined && plainFormats.has(contentFormat)) {
    return Object.entries(asRecord(decode(contentFormat, payload), 'the body')).map(([name, value]) => ({
      name: nameOf(name),
      at: now,
      value: measuredValue(name, value),
    }))
  }
  throw new CodedError(
    'unsupported-content-format',
    `Send SenML (${senmlJson}, ${senmlCbor}) or a map (${[...plainFormats].join(', ')}).`,
  )
}

function fromSenml(record: SenmlRecord): Measured {
  const value = record.value ?? record.stringValue ?? record.booleanValue ?? record.dataValue
  if (value === undefined) throw new CodedError('malformed-request', `'${record.name}' has no value.`)
  return { name: record.name, at: record.time, value, ...(record.unit === undefined ? {} : { unit: record.unit }) }
}

function nameOf(name: string): string {
  if (name.length > 0 && name.length <= longestName && !/\p{Cc}/u.test(name)) return name
  throw new CodedError(
    'validation-failed',
    `A name has 1 to ${longestName} characters, none of them a control character.`,
  )
}

function measuredValue(name: string, value: Value): TelemetryValue {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value
  if (value instanceof Uint8Array) return value
  throw new CodedError('validation-failed', `'${name}' is neither a number, text, true or false, nor bytes.`)
}
