/**
 * Many devices in one process: each with its own socket, association and keys, none with a folder. A bounded number of them is
 * provisioning at a time; all that have signed in stay connected until the end, and then sign out.
 */

import { between, type Clock, type Duration, milliseconds, seconds } from '@sallyport/clock'
import type { Certificate } from '@sallyport/pki'
import { BackOff } from './back-off.ts'
import type { DeviceContext } from './device-context.ts'
import type { DeviceEvent } from './device-event.ts'
import { isDeviceFailure } from './device-failure.ts'
import { memoryState } from './device-state.ts'
import type { FleetDevice } from './fleet-devices.ts'
import { FleetTally, type Phase } from './fleet-summary.ts'
import { GatewaySession } from './gateway-session.ts'
import { KeepAlive } from './keep-alive.ts'
import { pause } from './pause.ts'
import { ensureProvisioned } from './provisioned-device.ts'
import { closeSession, openSession, type Session } from './session.ts'
import { simulatedResources } from './simulated-resources.ts'
import { Telemetry } from './telemetry.ts'

export interface FleetOptions {
  readonly devices: readonly FleetDevice[]
  /** `coaps://host:port` */
  readonly dps: string
  readonly anchors: readonly Certificate[]
  /** Devices that are provisioning or signing in at a time. */
  readonly concurrency: number
  /** How long the fleet stays connected once all are done. */
  readonly stay: Duration
  readonly telemetryInterval: Duration
  /** Attempts of a device before it counts as failed. */
  readonly attempts: number
  readonly clock: Clock
  readonly random: () => number
  readonly stop: AbortSignal
  readonly onProgress?: (tally: FleetTally) => void
}

interface LiveDevice {
  readonly context: DeviceContext
  readonly session: Session
  readonly telemetry: Telemetry
}

/** Generous: a burst of a fleet makes a dps on a small machine slow, and retransmission is not a failure. */
const handshakeTimeout = seconds(45)

export async function runFleet(options: FleetOptions): Promise<FleetTally> {
  const tally = new FleetTally(options.devices.length, options.clock.now())
  const live: LiveDevice[] = []
  const ended = new AbortController()
  const signal = AbortSignal.any([options.stop, ended.signal])
  const waiting = options.devices.values()

  const worker = async (): Promise<void> => {
    for (const device of waiting) {
      if (options.stop.aborted) return
      const started = await startDevice(device, options, tally)
      if (started !== undefined) {
        live.push(started)
        void started.session.link.closed.then(() => {
          if (!signal.aborted) tally.lost()
        })
        void new KeepAlive(started.session.link).watch(signal).then((answers) => {
          if (!answers) started.session.link.close()
        })
      }
      options.onProgress?.(tally)
    }
  }
  await Promise.all(Array.from({ length: options.concurrency }, worker))
  if (options.stay > 0) await stayConnected(live, options, signal)
  ended.abort()
  await signOutAll(live, options.concurrency)
  return tally
}

async function startDevice(
  device: FleetDevice,
  options: FleetOptions,
  tally: FleetTally,
): Promise<LiveDevice | undefined> {
  const context: DeviceContext = {
    deviceId: device.id,
    dps: options.dps,
    anchors: options.anchors,
    manufacturer: device.manufacturer,
    state: memoryState(),
    gatewaySession: new GatewaySession(),
    resources: simulatedResources(options.random),
    clock: options.clock,
    random: options.random,
    report: (event) => count(device.id, event, tally, options),
    handshakeTimeout,
  }
  const telemetry = new Telemetry(options.clock, context.report)
  const backOff = new BackOff(options.random)
  for (let attempt = 1; ; attempt += 1) {
    let session: Session | undefined
    try {
      session = await openSession(context, await ensureProvisioned(context))
      if (telemetry.waiting === 0) telemetry.measure(context.resources)
      await telemetry.send(session.link)
      return { context, session, telemetry }
    } catch (error) {
      if (!isDeviceFailure(error)) throw error
      session?.link.close()
      if (attempt >= options.attempts || options.stop.aborted) {
        tally.failed(error.reason, error.message)
        return undefined
      }
      tally.retried()
      await pause(backOff.next(), options.stop)
    }
  }
}

function count(deviceId: string, event: DeviceEvent, tally: FleetTally, options: FleetOptions): void {
  const now = options.clock.now()
  const phase = phaseOf(event)
  if (phase !== undefined && 'took' in event) tally.done(phase, deviceId, event.took, now)
}

function phaseOf(event: DeviceEvent): Phase | undefined {
  switch (event.kind) {
    case 'provisioned':
      return 'provision'
    case 'signed-up':
      return 'sign-up'
    case 'signed-in':
      return 'sign-in'
    case 'published':
      return 'publish'
    case 'telemetry-stored':
      return 'telemetry'
    default:
      return undefined
  }
}

/** Telemetry from all, spread over the interval, until the time is over. */
async function stayConnected(live: readonly LiveDevice[], options: FleetOptions, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  const until = AbortSignal.any([signal, over.signal])
  const reporting = live.map(async ({ context, session, telemetry }) => {
    await pause(milliseconds(options.telemetryInterval * options.random()), until)
    let measured = options.clock.now()
    while (!until.aborted && !session.link.association.closed) {
      const now = options.clock.now()
      for (const resource of context.resources) resource.tick(between(measured, now) / 1000)
      measured = now
      telemetry.measure(context.resources)
      try {
        await telemetry.send(session.link)
      } catch (error) {
        if (!isDeviceFailure(error)) throw error
      }
      await pause(options.telemetryInterval, until)
    }
  })
  await pause(options.stay, signal)
  over.abort()
  await Promise.all(reporting)
}

async function signOutAll(live: readonly LiveDevice[], concurrency: number): Promise<void> {
  const waiting = live.values()
  const worker = async (): Promise<void> => {
    for (const { context, session } of waiting) await closeSession(context, session)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}
