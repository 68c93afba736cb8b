/** What a fleet has done: counts, rates, times for each phase, failures by reason. */

import { between, type Duration, type Instant } from '@sallyport/clock'

/** In the order a device goes through them; each is timed. */
export const phases = ['provision', 'sign-up', 'sign-in', 'publish', 'telemetry'] as const
export type Phase = (typeof phases)[number]

export interface PhaseSummary {
  readonly count: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface FleetSummary {
  readonly devices: number
  readonly provisioned: number
  readonly signedIn: number
  readonly reported: number
  readonly failed: number
  /** Attempts that failed and were tried again. */
  readonly retries: number
  /** Sessions that ended before they were signed out. */
  readonly lost: number
  readonly seconds: number
  readonly provisionedPerSecond: number
  readonly signedInPerSecond: number
  readonly phases: Readonly<Record<Phase, PhaseSummary>>
  readonly failures: readonly { readonly reason: string; readonly count: number; readonly example: string }[]
  readonly memory: { readonly rssBytes: number; readonly heapBytes: number }
}

export class FleetTally {
  readonly #started: Instant
  readonly #devices: number
  readonly #times = new Map<Phase, Duration[]>(phases.map((phase) => [phase, []]))
  readonly #failures = new Map<string, { count: number; example: string }>()
  readonly #devicesDone = new Map<Phase, Set<string>>(phases.map((phase) => [phase, new Set()]))
  readonly #lastDone = new Map<Phase, Instant>()
  #retries = 0
  #lost = 0

  constructor(devices: number, started: Instant) {
    this.#devices = devices
    this.#started = started
  }

  /** A device has been through a phase; what it does again is timed, and counts once. */
  done(phase: Phase, deviceId: string, took: Duration, now: Instant): void {
    this.#times.get(phase)?.push(took)
    const devices = this.#devicesDone.get(phase)
    if (devices === undefined || devices.has(deviceId)) return
    devices.add(deviceId)
    this.#lastDone.set(phase, now)
  }

  retried(): void {
    this.#retries += 1
  }

  lost(): void {
    this.#lost += 1
  }

  failed(reason: string, example: string): void {
    const known = this.#failures.get(reason)
    if (known === undefined) this.#failures.set(reason, { count: 1, example })
    else known.count += 1
  }

  /** Devices that have been through the phase. */
  count(phase: Phase): number {
    return this.#devicesDone.get(phase)?.size ?? 0
  }

  get failures(): number {
    return [...this.#failures.values()].reduce((sum, { count }) => sum + count, 0)
  }

  summary(now: Instant, memory: FleetSummary['memory']): FleetSummary {
    return {
      devices: this.#devices,
      provisioned: this.count('provision'),
      signedIn: this.count('sign-in'),
      reported: this.count('telemetry'),
      failed: this.failures,
      retries: this.#retries,
      lost: this.#lost,
      seconds: rounded(between(this.#started, now) / 1000),
      provisionedPerSecond: this.#rate('provision'),
      signedInPerSecond: this.#rate('sign-in'),
      phases: {
        provision: phaseSummary(this.#times.get('provision')),
        'sign-up': phaseSummary(this.#times.get('sign-up')),
        'sign-in': phaseSummary(this.#times.get('sign-in')),
        publish: phaseSummary(this.#times.get('publish')),
        telemetry: phaseSummary(this.#times.get('telemetry')),
      },
      failures: [...this.#failures]
        .map(([reason, { count, example }]) => ({ reason, count, example }))
        .sort((a, b) => b.count - a.count),
      memory,
    }
  }

  /** Over the time from the start to the last of them. */
  #rate(phase: Phase): number {
    const last = this.#lastDone.get(phase)
    if (last === undefined) return 0
    return rounded(this.count(phase) / Math.max(between(this.#started, last) / 1000, 0.001))
  }
}

/** Nearest-rank percentiles. */
export function phaseSummary(times: readonly Duration[] = []): PhaseSummary {
  const sorted = [...times].sort((a, b) => a - b)
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
  return { count: sorted.length, p50: rank(0.5), p99: rank(0.99), max: sorted.at(-1) ?? 0 }
}

export function summaryLines(summary: FleetSummary): readonly string[] {
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MB`
  return [
    `${summary.devices} devices in ${summary.seconds} s: ${summary.provisioned} provisioned (${summary.provisionedPerSecond}/s), ` +
      `${summary.signedIn} signed in (${summary.signedInPerSecond}/s), ${summary.reported} reported, ` +
      `${summary.failed} failed, ${summary.retries} retries, ${summary.lost} lost`,
    ...phases.map((phase) => {
      const { p50, p99, max } = summary.phases[phase]
      return `  ${phase.padEnd(10)} p50 ${String(p50).padStart(6)} ms   p99 ${String(p99).padStart(6)} ms   max ${String(max).padStart(6)} ms`
    }),
    `  memory of this process: ${megabytes(summary.memory.rssBytes)} resident, ${megabytes(summary.memory.heapBytes)} heap`,
    ...summary.failures.map(({ reason, count, example }) => `  failed: ${count} × ${reason} (${example})`),
  ]
}

const rounded = (value: number): number => Math.round(value * 10) / 10
