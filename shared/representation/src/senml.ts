/**
 * SenML (RFC 8428) in JSON and CBOR: packs of measurements.
 *
 * `decodeSenml` resolves base fields, relative times and units (section 4.6) into records that stand on their own, and refuses
 * fields that must be understood and are not (section 4.4), versions above 10, and names outside the alphabet (section 4.5.1).
 * Sums (`s`, `bs`) are read only where a value stands beside them; base values apply to numbers alone.
 */

import { fromBase64Url, toBase64Url } from '@sallyport/bytes'
import { type Instant, instant } from '@sallyport/clock'
import { CodedError, isCodedError } from '@sallyport/errors'
import { asArray } from './fields.ts'
import { decode, encode } from './representation.ts'
import { entriesOf, isRecord, type Value } from './value.ts'

export const senmlJson = 110
export const senmlCbor = 112

/** One measurement, resolved; exactly one of the four values is there. */
export interface SenmlRecord {
  readonly name: string
  readonly time: Instant
  readonly unit?: string
  readonly value?: number
  readonly stringValue?: string
  readonly booleanValue?: boolean
  readonly dataValue?: Uint8Array
}

/** RFC 8428 table 4: the CBOR label of each JSON label. */
const cborLabels: Readonly<Record<string, number>> = {
  bver: -1,
  bn: -2,
  bt: -3,
  bu: -4,
  bv: -5,
  bs: -6,
  n: 0,
  u: 1,
  v: 2,
  vs: 3,
  vb: 4,
  s: 5,
  t: 6,
  ut: 7,
  vd: 8,
}
const jsonLabels: ReadonlyMap<number, string> = new Map(
  Object.entries(cborLabels).map(([label, number]) => [number, label]),
)

const maxRecords = 1024
/** Seconds; below it a time is relative to now (section 4.5.3). */
const relativeBelow = 2 ** 28
/** Seconds; what a date can hold. */
const latestTime = 8.64e12

interface Base {
  name: string
  time: number
  unit: string | undefined
  value: number | undefined
}

type Fields = ReadonlyMap<string, Value>

/**
 * @param now what relative times count from
 * @throws CodedError `malformed-request` or `unsupported-content-format`
 */
export function decodeSenml(contentFormat: number, bytes: Uint8Array, now: Instant): readonly SenmlRecord[] {
  const pack = asArray(decode(representationOf(contentFormat), bytes), 'a SenML pack')
  if (pack.length > maxRecords) throw malformed(`a pack has at most ${maxRecords} records`)
  const base: Base = { name: '', time: 0, unit: undefined, value: undefined }
  const records: SenmlRecord[] = []
  for (const [index, item] of pack.entries()) {
    const record = resolve(fieldsOf(item, index), base, contentFormat, now, index)
    if (record !== undefined) records.push(record)
  }
  return records
}

/**
 * Writes a pack. Times go out as a base time, and as a difference where a record has another one.
 *
 * @throws CodedError `unsupported-content-format`, `validation-failed` for a number that is not finite
 */
export function encodeSenml(contentFormat: number, records: readonly SenmlRecord[]): Uint8Array {
  const inCbor = representationOf(contentFormat) === 60
  const baseTime = (records[0]?.time ?? 0) / 1000
  const pack = records.map((record, index) => {
    const difference = Math.round(record.time - baseTime * 1000) / 1000
    const fields: [string, Value | undefined][] = [
      ['bt', index === 0 ? baseTime : undefined],
      ['n', record.name],
      ['u', record.unit],
      ['t', difference === 0 ? undefined : difference],
      ['v', record.value],
      ['vs', record.stringValue],
      ['vb', record.booleanValue],
      ['vd', record.dataValue === undefined || inCbor ? record.dataValue : toBase64Url(record.dataValue)],
    ]
    const map = new Map<number | string, Value>()
    for (const [label, value] of fields) {
      if (value !== undefined) map.set(inCbor ? (cborLabels[label] ?? label) : label, value)
    }
    return map
  })
  return encode(inCbor ? 60 : 50, pack)
}

function representationOf(contentFormat: number): number {
  if (contentFormat === senmlJson) return 50
  if (contentFormat === senmlCbor) return 60
  throw new CodedError(
    'unsupported-content-format',
    `content format ${contentFormat} is not SenML: ${senmlJson} or ${senmlCbor}`,
  )
}

/** A record's fields under their JSON labels. */
function fieldsOf(item: Value, index: number): Fields {
  if (!(item instanceof Map) && !isRecord(item)) throw malformed(`record ${index} is not a map`)
  const fields = new Map<string, Value>()
  for (const [label, value] of entriesOf(item)) {
    const name = typeof label === 'number' ? jsonLabels.get(label) : label
    if (name === undefined) continue
    if (name.endsWith('_')) throw malformed(`record ${index} has '${name}', which must be understood and is not`)
    if (fields.has(name)) throw malformed(`record ${index} has '${name}' twice`)
    fields.set(name, value)
  }
  return fields
}

function resolve(
  fields: Fields,
  base: Base,
  contentFormat: number,
  now: Instant,
  index: number,
): SenmlRecord | undefined {
  const version = numberOf(fields, 'bver', index) ?? 10
  if (version > 10 || version < 1 || !Number.isInteger(version)) throw malformed(`version ${version} is not supported`)
  base.name = textOf(fields, 'bn', index) ?? base.name
  base.time = numberOf(fields, 'bt', index) ?? base.time
  base.unit = textOf(fields, 'bu', index) ?? base.unit
  base.value = numberOf(fields, 'bv', index) ?? base.value

  const measured = measuredIn(fields, base, contentFormat, index)
  if (measured === undefined) return undefined
  const name = base.name + (textOf(fields, 'n', index) ?? '')
  if (!/^[A-Za-z0-9][A-Za-z0-9\-:./_]{0,254}$/.test(name)) {
    throw malformed(
      `record ${index} has a name that is empty, too long or has other characters than A-Z a-z 0-9 - : . / _`,
    )
  }
  const unit = textOf(fields, 'u', index) ?? base.unit
  const time = timeOf(base.time + (numberOf(fields, 't', index) ?? 0), now, index)
  return { name, time, ...(unit === undefined ? {} : { unit }), ...measured }
}

function measuredIn(
  fields: Fields,
  base: Base,
  contentFormat: number,
  index: number,
): Pick<SenmlRecord, 'value' | 'stringValue' | 'booleanValue' | 'dataValue'> | undefined {
  const present = ['v', 'vs', 'vb', 'vd'].filter((label) => fields.has(label))
  if (present.length > 1) throw malformed(`record ${index} has more than one value`)
  switch (present[0]) {
    case 'vs':
      return { stringValue: textOf(fields, 'vs', index) ?? '' }
    case 'vb': {
      const flag = fields.get('vb')
      if (typeof flag !== 'boolean') throw malformed(`record ${index} has 'vb' that is not a boolean`)
      return { booleanValue: flag }
    }
    case 'vd':
      return { dataValue: dataOf(fields.get('vd'), contentFormat, index) }
    case 'v':
      return { value: finite((numberOf(fields, 'v', index) ?? 0) + (base.value ?? 0), index) }
    default:
      // A record of base fields alone, or a sum without a value: nothing is measured (section 4.2).
      return base.value !== undefined && fields.has('n') && !fields.has('s') ? { value: base.value } : undefined
  }
}

function dataOf(data: Value | undefined, contentFormat: number, index: number): Uint8Array {
  if (contentFormat === senmlCbor && data instanceof Uint8Array) return data
  if (contentFormat === senmlJson && typeof data === 'string') {
    try {
      return fromBase64Url(data)
    } catch (error) {
      if (!isCodedError(error)) throw error
    }
  }
  throw malformed(`record ${index} has 'vd' that is not ${contentFormat === senmlCbor ? 'bytes' : 'base64url'}`)
}

function timeOf(time: number, now: Instant, index: number): Instant {
  const absolute = Math.abs(time) < relativeBelow || time < 0 ? now / 1000 + time : time
  if (!Number.isFinite(absolute) || Math.abs(absolute) > latestTime)
    throw malformed(`record ${index} has no sensible time`)
  return instant(Math.round(absolute * 1000))
}

function numberOf(fields: Fields, label: string, index: number): number | undefined {
  const value = fields.get(label)
  if (value === undefined || typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  throw malformed(`record ${index} has '${label}' that is not a number`)
}

function textOf(fields: Fields, label: string, index: number): string | undefined {
  const value = fields.get(label)
  if (value === undefined || typeof value === 'string') return value
  throw malformed(`record ${index} has '${label}' that is not text`)
}

function finite(value: number, index: number): number {
  if (!Number.isFinite(value)) throw malformed(`record ${index} has a value that is not finite`)
  return value
}

const malformed = (detail: string): CodedError => new CodedError('malformed-request', detail)
