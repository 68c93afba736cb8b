/**
 * `make bench`, HTTP: an authenticated list of 50 devices beside a bare Fastify route that answers the same bytes, by turns, with one
 * generator for both. Beside the requests in a second, which on a shared machine are noise, what each costs its process.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { loginAsAdmin } from './api-client.ts'
import { startBenchInstallation } from './bench-installation.ts'
import { enrollManufacturer } from './first-devices.ts'
import { checkoutRoot, nodeProgram } from './home.ts'
import { coapsUrl } from './installation.ts'
import { median } from './median.ts'
import { costOf } from './process-cost.ts'
import { runProgram } from './program.ts'

export interface HttpBenchOptions {
  readonly write: (text: string) => void
  readonly runs: number
}

interface Side {
  readonly name: string
  readonly port: number
  readonly pid: number
}

interface Measured {
  readonly perSecond: number
  /** Of the serving process, for one request. */
  readonly cpuMicroseconds: number
  readonly p50: number
  readonly p99: number
}

const devices = 50
const connections = 16
const duration = 5000
/** Of the requests of the bare route (issue 4). */
const goal = 0.6

export async function benchHttp({ write, runs }: HttpBenchOptions): Promise<void> {
  const { home, installation, end } = await startBenchInstallation({
    name: 'http',
    write,
    environment: { SALLYPORT_REQUESTS_PER_MINUTE: '1000000' },
  })
  const http = installation.controlPlane.ready.http ?? ''
  const file = join(home, 'devices.json')
  let bare: ReturnType<typeof spawn> | undefined
  try {
    const api = await loginAsAdmin(http, installation.admin)
    const { folder } = await enrollManufacturer(installation, api)
    await runProgram(
      'device',
      [
        ...['fleet', '--count', String(devices), '--manufacturer', folder, '--json'],
        ...['--dps', coapsUrl(installation.dps.ready), '--trust-anchor', installation.pki.trustAnchor],
      ],
      { timeout: 600_000 },
    )
    const list = JSON.stringify(await api.get('/api/v1/devices'))
    writeFileSync(file, list)
    bare = spawn(nodeProgram, [join(checkoutRoot, 'control-plane/bench/bare-route.ts'), file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [said] = bare.stdout === null ? [] : await once(bare.stdout, 'data')
    const sides: readonly Side[] = [
      { name: 'list of devices', port: Number(new URL(http).port), pid: installation.controlPlane.pid },
      { name: 'bare Fastify', port: Number(said), pid: bare.pid ?? 0 },
    ]
    const head = `GET /api/v1/devices HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${api.token}\r\n\r\n`
    for (const side of sides) await load(side, head, 2000)
    const measured = new Map<string, Measured[]>(sides.map(({ name }) => [name, []]))
    for (let run = 0; run < runs; run += 1) {
      for (const side of sides) measured.get(side.name)?.push(await load(side, head, duration))
    }
    const load1 = loadavg()[0]?.toFixed(1)
    write(`\n${list.length} bytes over ${connections} connections, medians of ${runs} runs, load ${load1}\n`)
    const of = (name: string, read: (one: Measured) => number) => median((measured.get(name) ?? []).map(read))
    for (const { name } of sides) {
      write(
        `  ${name.padEnd(16)} ${of(name, ({ perSecond }) => perSecond).toFixed(0)}/s, ` +
          `${of(name, ({ cpuMicroseconds }) => cpuMicroseconds).toFixed(0)} µs of CPU each, ` +
          `p50 ${of(name, ({ p50 }) => p50).toFixed(1)} ms, p99 ${of(name, ({ p99 }) => p99).toFixed(1)} ms\n`,
      )
    }
    const [ours = '', theirs = ''] = sides.map(({ name }) => name)
    const share = of(ours, ({ perSecond }) => perSecond) / of(theirs, ({ perSecond }) => perSecond)
    write(
      `  ${share.toFixed(2)} of the bare route's requests; goal ${goal}: ${share >= goal ? 'reached' : 'not reached'}\n`,
    )
  } finally {
    bare?.kill('SIGKILL')
    await end()
  }
}

async function load({ port, pid }: Side, head: string, milliseconds: number): Promise<Measured> {
  const before = costOf(pid).cpuMilliseconds
  const generator = spawn(
    nodeProgram,
    [join(checkoutRoot, 'tests/bench/http-load.ts'), String(port), String(connections), String(milliseconds)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  let said = ''
  generator.stdout.on('data', (chunk) => {
    said += chunk
  })
  generator.stdin.end(head)
  await once(generator, 'close')
  const { requests, statuses, p50, p99 } = JSON.parse(said) as {
    readonly requests: number
    readonly statuses: Readonly<Record<string, number>>
    readonly p50: number
    readonly p99: number
  }
  if (statuses['200'] !== requests) throw new Error(`not every answer was 200: ${JSON.stringify(statuses)}`)
  const cpu = costOf(pid).cpuMilliseconds - before
  return { perSecond: (requests * 1000) / milliseconds, cpuMicroseconds: (cpu * 1000) / requests, p50, p99 }
}
