import type { Instant } from '@sallyport/clock'
import type { Page } from '../page.ts'
import type { Telemetry, TelemetryPoint, TelemetryRow, TelemetryValue } from '../telemetry.ts'
import { heldAndMarked, shardLost } from './association-marks.ts'
import { encodeTimeCursor, timeWindow } from './cursor.ts'
import type { Database } from './database.ts'
import { present } from './row.ts'
import { allOf, type Sql, sql, time } from './sql.ts'

interface PointRow {
  readonly name: string
  readonly at: Instant
  readonly numberValue: number | null
  readonly textValue: string | null
  readonly booleanValue: boolean | null
  readonly bytesValue: Uint8Array | null
  readonly unit: string | null
}

const columns = sql`t.name, t.at, t.number_value as "numberValue", t.text_value as "textValue",
  t.boolean_value as "booleanValue", t.bytes_value as "bytesValue", t.unit`

/** Measurements of which the last value is shown. */
const mostNames = 1000

export class PostgresTelemetry implements Telemetry {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async append(rows: readonly TelemetryRow[], under?: Parameters<Telemetry['append']>[1]): Promise<void> {
    if (rows.length === 0) return
    if (under === undefined) {
      await this.#database.read((query) => query.run(insertOf(rows, sql``)))
      return
    }
    // The marks first, all of them: a batch that waits for another's marks waits before it has locked a measurement.
    const insert = insertOf(rows, sql`where exists (select from held) and (select count(*) from marked) >= 0`)
    const row = await this.#database.read((query) =>
      query.first<{ readonly held: boolean }>(sql`
        with ${heldAndMarked(under.marks, under.claim)}, inserted as (${insert} returning 1)
        select exists (select from held) as held, (select count(*) from inserted) as inserted`),
    )
    if (row?.held !== true) throw shardLost()
  }

  async last(organizationId: string, deviceId: string): Promise<readonly TelemetryPoint[]> {
    // The names one after the other by the index, and the newest of each: not all points of the device. A device may have
    // invented any number of names, so they end at a bound.
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<PointRow>(sql`
        with recursive names as (
          (select name, 1 as position from telemetry where device_id = ${deviceId} order by name limit 1)
          union all
          select (select t.name from telemetry t where t.device_id = ${deviceId} and t.name > names.name order by t.name limit 1),
            names.position + 1
          from names where names.name is not null and names.position < ${mostNames}
        )
        select last.* from names cross join lateral (
          select ${columns} from telemetry t
          where t.name = names.name and ${ownPoints(organizationId, deviceId)}
          order by t.at desc limit 1) last
        order by last.name`),
    )
    return rows.map(toPoint)
  }

  async range(
    organizationId: string,
    deviceId: string,
    request: Parameters<Telemetry['range']>[2],
  ): Promise<Page<TelemetryPoint>> {
    const { limit, before } = timeWindow(request)
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<PointRow>(sql`
        select ${columns} from telemetry t
        where ${allOf([
          ownPoints(organizationId, deviceId),
          sql`t.name = ${request.name}`,
          request.from === undefined ? undefined : sql`t.at >= ${time(request.from)}`,
          request.to === undefined ? undefined : sql`t.at < ${time(request.to)}`,
          before === undefined ? undefined : sql`t.at < ${time(before)}`,
        ])}
        order by t.at desc limit ${limit + 1}`),
    )
    const items = rows.slice(0, limit).map(toPoint)
    const last = items.at(-1)
    return { items, nextCursor: last === undefined || rows.length <= limit ? null : encodeTimeCursor(last.at) }
  }
}

/**
 * Arrays, so that the statement is the same for every number of rows, and far from the limit of 65 535 parameters.
 * A point of an earlier life of the device, which nobody sees any more, gives way; a repetition changes nothing.
 * Sorted, so that two batches with the same measurements wait for each other in one order.
 */
function insertOf(rows: readonly TelemetryRow[], where: Sql): Sql {
  const values = rows.map((row) => row.value)
  return sql`
        insert into telemetry (device_id, organization_id, name, at, number_value, text_value, boolean_value, bytes_value, unit)
        select distinct on (t.device_id, t.name, t.at) t.device_id, t.organization_id, t.name, t.at, t.number_value,
          t.text_value, t.boolean_value, t.bytes_value, t.unit
        from unnest(${rows.map((row) => row.deviceId)}::uuid[], ${rows.map((row) => row.organizationId)}::uuid[],
          ${rows.map((row) => row.name)}::text[], ${rows.map((row) => time(row.at))}::timestamptz[],
          ${values.map((value) => (typeof value === 'number' ? value : null))}::double precision[],
          ${values.map((value) => (typeof value === 'string' ? value : null))}::text[],
          ${values.map((value) => (typeof value === 'boolean' ? value : null))}::boolean[],
          ${values.map((value) => (value instanceof Uint8Array ? value : null))}::bytea[],
          ${rows.map((row) => row.unit ?? null)}::text[]) with ordinality
          as t (device_id, organization_id, name, at, number_value, text_value, boolean_value, bytes_value, unit, position)
        ${where}
        order by t.device_id, t.name, t.at, t.position
        on conflict (device_id, name, at) do update set organization_id = excluded.organization_id,
          number_value = excluded.number_value, text_value = excluded.text_value, boolean_value = excluded.boolean_value,
          bytes_value = excluded.bytes_value, unit = excluded.unit, received_at = excluded.received_at
        where telemetry.received_at <= (select d.forgotten_at from device d where d.id = excluded.device_id)`
}

/** Of the present life of the device, with its present owner. */
const ownPoints = (organizationId: string, deviceId: string): Sql => sql`
  t.device_id = ${deviceId} and t.organization_id = ${organizationId}
  and t.received_at > coalesce((select forgotten_at from device where id = ${deviceId}), '-infinity')`

function toPoint({ numberValue, textValue, booleanValue, bytesValue, unit, ...row }: PointRow): TelemetryPoint {
  const value: TelemetryValue | null = numberValue ?? textValue ?? booleanValue ?? bytesValue
  return { ...row, value: value ?? Number.NaN, ...present({ unit }) }
}
