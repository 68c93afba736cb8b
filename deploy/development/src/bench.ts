/**
 * `make bench`: a fleet that provisions, signs in and reports, several times; what it costs each service is read from the
 * operating system (CPU time, resident memory), since wall time on shared machines is noise.
 */

import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { loginAsAdmin } from './api-client.ts'
import { enrollManufacturer } from './first-devices.ts'
import { checkoutRoot } from './home.ts'
import { coapsUrl, startInstallation } from './installation.ts'
import { freePorts } from './port-plan.ts'
import { runProgram } from './program.ts'
import { terminalProgress } from './progress.ts'

export interface BenchOptions {
  readonly write: (text: string) => void
}

interface FleetSummary {
  readonly [name: string]: unknown
}

const devicesPerRun = Number(process.env.SALLYPORT_BENCH_DEVICES ?? '500')
const runs = Number(process.env.SALLYPORT_BENCH_RUNS ?? '3')

export async function bench({ write }: BenchOptions): Promise<void> {
  write(
    `machine: ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}\n`,
  )
  const home = join(checkoutRoot, '.dev', 'bench')
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  const installation = await startInstallation({
    home,
    ports: await freePorts(),
    mode: 'development',
    progress: terminalProgress(write),
    onChange: (text) => write(`${text}\n`),
  })
  try {
    const api = await loginAsAdmin(installation.controlPlane.ready.http ?? '', installation.admin)
    const manufacturer = await enrollManufacturer(installation, api)
    const services = [installation.controlPlane, installation.dps, installation.gateway]
    for (let run = 1; run <= runs; run += 1) {
      const before = services.map(({ pid }) => costOf(pid))
      const summary = await runFleet(installation, manufacturer.folder)
      const after = services.map(({ pid }) => costOf(pid))
      write(`run ${run}: ${JSON.stringify(summary)}\n`)
      for (const [index, { name }] of services.entries()) {
        const [start, end] = [before[index], after[index]]
        if (start === undefined || end === undefined) continue
        const perDevice = ((end.cpuMilliseconds - start.cpuMilliseconds) / devicesPerRun).toFixed(2)
        write(
          `  ${name.padEnd(14)} ${start.residentMegabytes} → ${end.residentMegabytes} MB resident, ${perDevice} ms CPU per device\n`,
        )
      }
    }
  } finally {
    await installation.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

async function runFleet(
  installation: Awaited<ReturnType<typeof startInstallation>>,
  manufacturer: string,
): Promise<FleetSummary> {
  const printed = await runProgram(
    'device',
    [
      ...['fleet', '--count', String(devicesPerRun), '--manufacturer', manufacturer, '--json'],
      ...['--dps', coapsUrl(installation.dps.ready), '--trust-anchor', installation.pki.trustAnchor],
    ],
    { timeout: 600_000 },
  )
  return JSON.parse(printed.trim().split('\n').at(-1) ?? '{}') as FleetSummary
}

/** User and system time (clock ticks of 10 ms) and resident memory, from /proc. */
function costOf(pid: number): { readonly cpuMilliseconds: number; readonly residentMegabytes: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
  return {
    cpuMilliseconds: (Number(fields[11]) + Number(fields[12])) * 10,
    residentMegabytes: Math.round(Number(resident) / 1024),
  }
}
