/**
 * `make bench`, the audit trail: committed events wait in Postgres, and the sealer of the dps chains them. How many it chains in a
 * second, and what each costs the dps and Postgres. The events are copies of one of the installation's own, with ids and times of
 * their own; the writing of them is not counted.
 */

import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { startBenchInstallation } from './bench-installation.ts'
import { SetupFailure } from './failure.ts'
import type { Installation } from './installation.ts'
import { median } from './median.ts'
import { costOf } from './process-cost.ts'

export interface AuditBenchOptions {
  readonly write: (text: string) => void
  readonly runs: number
}

interface Measured {
  readonly perSecond: number
  readonly dpsMicroseconds: number
  readonly postgresMicroseconds: number
}

const events = 20_000
const longestRun = 120_000

export async function benchAudit({ write, runs }: AuditBenchOptions): Promise<void> {
  const { installation, end } = await startBenchInstallation({ name: 'audit', write })
  const database = new pg.Client({ connectionString: installation.databaseUrl })
  try {
    await database.connect()
    // The first warms up: compiled code, plans, the files of the tables.
    await sealAll(installation, database)
    const measured: Measured[] = []
    for (let run = 0; run < runs; run += 1) measured.push(await sealAll(installation, database))
    const of = (read: (one: Measured) => number) => median(measured.map(read)).toFixed(0)
    write(
      `\n${events} events each, medians of ${runs} runs, load ${loadavg()[0]?.toFixed(1)}: ` +
        `${of(({ perSecond }) => perSecond)} chained in a second, ` +
        `${of(({ dpsMicroseconds }) => dpsMicroseconds)} µs of CPU each in the dps, ` +
        `${of(({ postgresMicroseconds }) => postgresMicroseconds)} µs in Postgres\n`,
    )
  } finally {
    await database.end()
    await end()
  }
}

async function sealAll({ dps, processes }: Installation, database: pg.Client): Promise<Measured> {
  const postgres = processes.find(({ name }) => name === 'postgres')?.pid ?? 0
  await nothingWaits(database)
  await database.query('begin')
  // Written, and not to be seen yet: the sealer begins with all of them at the commit.
  const { rowCount } = await database.query(
    `insert into audit_event select (jsonb_populate_record(null::audit_event, to_jsonb(event) || jsonb_build_object(
       'id', gen_random_uuid(), 'occurred_at', clock_timestamp()))).*
     from (select * from audit_event order by occurred_at limit 1) event, generate_series(1, $1)`,
    [events],
  )
  if (rowCount !== events) throw new SetupFailure(`${rowCount} events were written, not ${events}`)
  const before = { dps: costOf(dps.pid).cpuMilliseconds, postgres: costOf(postgres).cpuMilliseconds }
  await database.query('commit')
  const began = performance.now()
  await nothingWaits(database)
  const took = performance.now() - began
  const each = (after: number, earlier: number) => ((after - earlier) * 1000) / events
  return {
    perSecond: (events * 1000) / took,
    dpsMicroseconds: each(costOf(dps.pid).cpuMilliseconds, before.dps),
    postgresMicroseconds: each(costOf(postgres).cpuMilliseconds, before.postgres),
  }
}

async function nothingWaits(database: pg.Client): Promise<void> {
  const deadline = performance.now() + longestRun
  for (;;) {
    const { rows } = await database.query<{ waits: boolean }>('select exists (select from audit_unsealed) as waits')
    if (rows[0]?.waits === false) return
    if (performance.now() > deadline) throw new SetupFailure('events were not sealed within two minutes')
    await sleep(20)
  }
}
