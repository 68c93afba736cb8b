/** The months of telemetry: the present one and the next are made before they are needed; what fits none is in `telemetry_other`. */

import { sqlStateOf } from './database-fault.ts'

type Run = (text: string) => Promise<{ readonly rows: readonly unknown[] }>

/** @returns the partitions that were made. */
export async function ensureTelemetryPartitions(run: Run): Promise<readonly string[]> {
  const { rows } = await run(`
    select to_char(month, '"telemetry_"YYYY_MM') as name, to_char(month, 'YYYY-MM-DD') as first,
      to_char(month + interval '1 month', 'YYYY-MM-DD') as next
    from generate_series(date_trunc('month', now() at time zone 'UTC'),
      date_trunc('month', now() at time zone 'UTC') + interval '1 month', interval '1 month') as month`)
  const made: string[] = []
  for (const row of rows) {
    const { name, first, next } = row as { readonly name: string; readonly first: string; readonly next: string }
    const { rows: present } = await run(`select to_regclass('${name}') is not null as there`)
    if ((present[0] as { readonly there: boolean } | undefined)?.there === true) continue
    try {
      await run(`
        create table if not exists ${name} partition of telemetry
          for values from ('${first} 00:00:00+00') to ('${next} 00:00:00+00')`)
      made.push(name)
    } catch (error) {
      // Rows of that month are in the default partition already (a device's clock ran ahead): they stay there, all of the month.
      if (sqlStateOf(error) !== '23514') throw error
    }
  }
  return made
}
