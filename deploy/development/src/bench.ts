/** `make bench`: the machine, then the parts that were asked for. */

import { cpus, totalmem } from 'node:os'
import { SetupFailure } from './failure.ts'

export interface BenchOptions {
  readonly write: (text: string) => void
  /** `transport`, `fleet`, `http`, `audit` or `events`; all when it is absent. */
  readonly part: string | undefined
  /** Of the fleet. */
  readonly devices: number
  /** Absent: as many as each part needs for a median. */
  readonly runs: number | undefined
}

const partNames = ['transport', 'fleet', 'http', 'audit', 'events']

export async function bench({ write, part, devices, runs }: BenchOptions): Promise<void> {
  if (part !== undefined && !partNames.includes(part)) {
    throw new SetupFailure(`SALLYPORT_BENCH is ${part}; it may be ${partNames.join(' or ')}`)
  }
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  write(`machine: ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, ${memory}, Node ${process.version}\n`)
  const asked = (name: string): boolean => part === undefined || part === name
  if (asked('transport')) {
    const { benchTransport } = await import('./transport-bench.ts')
    await benchTransport({ write, runs: runs ?? 5 })
  }
  if (asked('fleet')) {
    const { benchFleet } = await import('./fleet-bench.ts')
    await benchFleet({ write, devices, runs: runs ?? 3 })
  }
  if (asked('http')) {
    const { benchHttp } = await import('./http-bench.ts')
    await benchHttp({ write, runs: runs ?? 5 })
  }
  if (asked('audit')) {
    const { benchAudit } = await import('./audit-bench.ts')
    await benchAudit({ write, runs: runs ?? 5 })
  }
  if (asked('events')) {
    const { benchEvents } = await import('./events-bench.ts')
    await benchEvents({ write })
  }
}
