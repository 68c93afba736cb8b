/** `make bench`: the machine, then the parts that were asked for. */

import { cpus, totalmem } from 'node:os'
import { SetupFailure } from './failure.ts'

export interface BenchOptions {
  readonly write: (text: string) => void
  /** `transport` or `fleet`; both when it is absent. */
  readonly part: string | undefined
  /** Of the fleet. */
  readonly devices: number
  /** Absent: as many as each part needs for a median. */
  readonly runs: number | undefined
}

const partNames = ['transport', 'fleet']

export async function bench({ write, part, devices, runs }: BenchOptions): Promise<void> {
  if (part !== undefined && !partNames.includes(part)) {
    throw new SetupFailure(`SALLYPORT_BENCH is ${part}; it may be ${partNames.join(' or ')}`)
  }
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  write(`machine: ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, ${memory}, Node ${process.version}\n`)
  if (part !== 'fleet') {
    const { benchTransport } = await import('./transport-bench.ts')
    await benchTransport({ write, runs: runs ?? 5 })
  }
  if (part !== 'transport') {
    const { benchFleet } = await import('./fleet-bench.ts')
    await benchFleet({ write, devices, runs: runs ?? 3 })
  }
}
