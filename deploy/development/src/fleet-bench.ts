/**
 * `make bench`, the fleet: it provisions, signs in and reports, several times. What it costs each process is read from the
 * operating system (CPU time, resident memory), since wall time on shared machines is noise.
 */

import { loginAsAdmin } from './api-client.ts'
import { startBenchInstallation } from './bench-installation.ts'
import { enrollManufacturer } from './first-devices.ts'
import { coapsUrl, type Installation } from './installation.ts'
import { median } from './median.ts'
import { costOf, type ProcessCost } from './process-cost.ts'
import { runProgram } from './program.ts'

export interface FleetBenchOptions {
  readonly write: (text: string) => void
  readonly devices: number
  readonly runs: number
}

interface FleetPhase {
  readonly p50: number
  readonly p99: number
}

/** What `device fleet --json` prints. */
interface FleetSummary {
  readonly devices: number
  readonly reported: number
  readonly failed: number
  readonly provisionedPerSecond: number
  readonly signedInPerSecond: number
  readonly phases: Readonly<Record<string, FleetPhase>>
}

interface Run {
  readonly summary: FleetSummary
  readonly before: ReadonlyMap<string, ProcessCost>
  readonly after: ReadonlyMap<string, ProcessCost>
  /** CPU time of the fleet's own process, in milliseconds. */
  readonly fleetCpu: number
}

export async function benchFleet(options: FleetBenchOptions): Promise<void> {
  const { write } = options
  const { installation, end } = await startBenchInstallation({ name: 'fleet', write })
  try {
    const api = await loginAsAdmin(installation.controlPlane.ready.http ?? '', installation.admin)
    const manufacturer = await enrollManufacturer(installation, api)
    const runs: Run[] = []
    for (let count = 1; count <= options.runs; count += 1) {
      const run = await runFleet(installation, manufacturer.folder, options.devices)
      runs.push(run)
      write(`run ${count}: ${run.summary.reported} of ${run.summary.devices} reported, ${run.summary.failed} failed\n`)
    }
    writeSummary(write, runs, options.devices)
  } finally {
    await end()
  }
}

async function runFleet(installation: Installation, manufacturer: string, devices: number): Promise<Run> {
  const costs = () => new Map(installation.processes.map(({ name, pid }) => [name, costOf(pid)]))
  const before = costs()
  const own = childCpu()
  const printed = await runProgram(
    'device',
    [
      ...['fleet', '--count', String(devices), '--manufacturer', manufacturer, '--json'],
      ...['--dps', coapsUrl(installation.dps.ready), '--trust-anchor', installation.pki.trustAnchor],
    ],
    { timeout: 600_000 },
  )
  const summary = JSON.parse(printed.trim().split('\n').at(-1) ?? '{}') as FleetSummary
  return { summary, before, after: costs(), fleetCpu: childCpu() - own }
}

/** CPU time of the children that this process has waited for: each fleet, once it has ended. */
const childCpu = (): number =>
  costOf(process.pid).cpuMilliseconds - process.cpuUsage().user / 1000 - process.cpuUsage().system / 1000

function writeSummary(write: (text: string) => void, runs: readonly Run[], devices: number): void {
  const of = (read: (run: Run) => number) => median(runs.map(read))
  write(`\nmedians of ${runs.length} runs of ${devices} devices\n`)
  write(
    `  provisioned ${of(({ summary }) => summary.provisionedPerSecond)}/s, signed in ${of(({ summary }) => summary.signedInPerSecond)}/s\n`,
  )
  for (const phase of Object.keys(runs[0]?.summary.phases ?? {})) {
    const p50 = of(({ summary }) => summary.phases[phase]?.p50 ?? 0)
    const p99 = of(({ summary }) => summary.phases[phase]?.p99 ?? 0)
    write(`  ${phase.padEnd(14)} p50 ${p50} ms, p99 ${p99} ms\n`)
  }
  for (const name of runs[0]?.before.keys() ?? []) {
    const cpu = of(
      ({ before, after }) =>
        ((after.get(name)?.cpuMilliseconds ?? 0) - (before.get(name)?.cpuMilliseconds ?? 0)) / devices,
    )
    const first = runs[0]?.before.get(name)?.residentMegabytes
    const last = runs.map(({ after }) => after.get(name)?.residentMegabytes)
    write(
      `  ${name.padEnd(14)} ${cpu.toFixed(1)} ms CPU per device; ${first} MB resident before, ${last.join(', ')} MB after each run\n`,
    )
  }
  write(`  ${'the fleet'.padEnd(14)} ${(of(({ fleetCpu }) => fleetCpu) / devices).toFixed(1)} ms CPU per device\n`)
}
