/**
 * `make bench`, live events: 500 server-sent feeds, and events at several rates, written to the outbox as the services do. What it
 * costs each process is read from the operating system; how late an event is goes from before its commit to when a feed has it.
 */

import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { loginAsAdmin } from './api-client.ts'
import { startBenchInstallation } from './bench-installation.ts'
import { SetupFailure } from './failure.ts'
import { checkoutRoot, nodeProgram } from './home.ts'
import { costOf } from './process-cost.ts'

export interface EventsBenchOptions {
  readonly write: (text: string) => void
}

interface Told {
  readonly events: number
  readonly ended: number
  readonly p50: number
  readonly p99: number
}

const sessions = 50
const streams = sessions * 10
const seconds = 10
/** How often events are written, as one transaction each time. */
const writesPerSecond = 20
const rates = [20, 60, 100, 200, 400]

export async function benchEvents({ write }: EventsBenchOptions): Promise<void> {
  const { installation, end } = await startBenchInstallation({
    name: 'events',
    write,
    environment: { SALLYPORT_REQUESTS_PER_MINUTE: '1000000' },
  })
  const database = new pg.Client({ connectionString: installation.databaseUrl })
  const reader = spawn(nodeProgram, [join(checkoutRoot, 'tests/bench/event-streams.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    await database.connect()
    const http = installation.controlPlane.ready.http ?? ''
    const tokens: string[] = []
    for (let count = 0; count < sessions; count += 1) {
      tokens.push((await loginAsAdmin(http, installation.admin)).token)
    }
    const lines = createInterface({ input: reader.stdout })[Symbol.asyncIterator]()
    reader.stdin.write(`${new URL(http).port}\n${JSON.stringify(tokens)}\n`)
    if ((await lines.next()).value !== 'open') throw new SetupFailure('the streams were not opened')
    const ask = async (line: 'ask' | 'reset'): Promise<Told> => {
      reader.stdin.write(`${line}\n`)
      return JSON.parse((await lines.next()).value ?? '{}') as Told
    }
    const { rows } = await database.query('select id from organization limit 1')
    const organizationId: string = rows[0].id
    await writeEvents(database, organizationId, 20, 3)
    await pause(2000)
    const processes = ['control-plane', 'postgres', 'redis']
    write(`\n${streams} feeds, ${seconds} s at each rate, load ${loadavg()[0]?.toFixed(1)}\n`)
    for (const rate of rates) {
      await ask('reset')
      const before = cpuOf(installation.processes, processes)
      const started = performance.now()
      const written = await writeEvents(database, organizationId, rate, seconds)
      const wanted = written * streams
      let told = await ask('ask')
      for (let waited = 0; told.events < wanted && waited < 60; waited += 1) {
        await pause(500)
        told = await ask('ask')
      }
      const took = (performance.now() - started) / 1000
      const after = cpuOf(installation.processes, processes)
      const cost = processes.map(
        (name) => `${name} ${(((after.get(name) ?? 0) - (before.get(name) ?? 0)) / seconds / 10).toFixed(0)} %`,
      )
      const ours = ((after.get('control-plane') ?? 0) - (before.get('control-plane') ?? 0)) * 1000
      write(
        `  ${String(rate).padStart(4)} events/s: ${told.events} of ${wanted} delivered in ${took.toFixed(1)} s (${(told.events / took).toFixed(0)}/s), ` +
          `p50 ${told.p50} ms, p99 ${told.p99} ms, ${told.ended} feeds cut; of a core: ${cost.join(', ')}; ` +
          `${(ours / Math.max(1, told.events)).toFixed(1)} µs of CPU each\n`,
      )
    }
  } finally {
    reader.kill('SIGKILL')
    await database.end().catch(() => undefined)
    await end()
  }
}

/** @returns how many were written. */
async function writeEvents(
  database: pg.Client,
  organizationId: string,
  rate: number,
  forSeconds: number,
): Promise<number> {
  const atOnce = rate / writesPerSecond
  const deviceId = randomUUID()
  let written = 0
  const start = performance.now()
  for (let turn = 0; turn < writesPerSecond * forSeconds; turn += 1) {
    await pause(start + (turn * 1000) / writesPerSecond - performance.now())
    await database.query(
      `insert into outbox (id, topic, organization_id, device_id, correlation_id, data)
       select gen_random_uuid(), 'device.changed', $1, $2, 'bench', json_build_object('name', 'lamp', 'version', n, 'at', $3::bigint)
       from generate_series(1, $4::int) n`,
      [organizationId, deviceId, Date.now(), atOnce],
    )
    await database.query("select pg_notify('outbox', '')")
    written += atOnce
  }
  return written
}

function cpuOf(
  processes: readonly { readonly name: string; readonly pid: number }[],
  names: readonly string[],
): ReadonlyMap<string, number> {
  return new Map(
    processes.filter(({ name }) => names.includes(name)).map(({ name, pid }) => [name, costOf(pid).cpuMilliseconds]),
  )
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)))
