import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clockFrom, seconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { certificatesFromPem } from '@sallyport/pki'
import { decode, encode } from '@sallyport/representation'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { setCoapTiming } from '../src/coap-timing.ts'
import type { DeviceContext } from '../src/device-context.ts'
import type { DeviceEvent } from '../src/device-event.ts'
import { memoryState } from '../src/device-state.ts'
import { runFleet } from '../src/fleet.ts'
import { readFleetDevices } from '../src/fleet-devices.ts'
import { GatewaySession } from '../src/gateway-session.ts'
import { ensureProvisioned } from '../src/provisioned-device.ts'
import { type RunOptions, runDevice } from '../src/run.ts'
import { simulatedResources } from '../src/simulated-resources.ts'
import { readIdentityFiles } from '../src/state-directory.ts'
import { type DeviceFiles, makeDevices, makeManufacturer } from './manufacturer-files.ts'
import { type OpensslAuthority, opensslAuthority } from './openssl-authority.ts'
import { owner, type StandInServices, standInServices } from './stand-in-services.ts'

setCoapTiming()
const folder = mkdtempSync(join(tmpdir(), 'sallyport-device-test-'))
let authority: OpensslAuthority
let services: StandInServices
let files: DeviceFiles

beforeAll(async () => {
  const manufacturer = makeManufacturer(folder)
  const made = makeDevices(manufacturer, join(folder, 'devices'), '--count', '8')
  files = made[0] ?? failed()
  authority = opensslAuthority(join(folder, 'authority'), 'installation')
  services = await standInServices(authority)
})

afterAll(async () => {
  await services?.close()
  rmSync(folder, { recursive: true, force: true })
})

beforeEach(() => {
  services.asked.length = 0
  services.telemetry.length = 0
  services.published.length = 0
  services.signedIn.length = 0
  services.credentialsAskedBy.length = 0
  services.refuseAtDps(undefined)
  services.refuseAtGateway(undefined)
  services.cutGateway(false)
})

function newDevice(changes: Partial<DeviceContext> = {}): { device: DeviceContext; events: DeviceEvent[] } {
  const events: DeviceEvent[] = []
  const device: DeviceContext = {
    deviceId: files.id,
    dps: services.dps,
    anchors: certificatesFromPem(authority.pem),
    manufacturer: readIdentityFiles(files.certificate, files.key),
    state: memoryState(),
    gatewaySession: new GatewaySession(),
    resources: simulatedResources(() => 0.25),
    clock: clockFrom(Date.now),
    random: () => 0,
    report: (event) => events.push(event),
    handshakeTimeout: seconds(3),
    ...changes,
  }
  return { device, events }
}

/** Runs a device until the test is over with it; what it throws comes out of `stopped`. */
function running(device: DeviceContext, options: Partial<RunOptions> = {}) {
  const stop = new AbortController()
  const ended = runDevice(device, { stop: stop.signal, telemetryInterval: seconds(0.2), ...options })
  ended.catch(() => undefined)
  return {
    stopped: () => {
      stop.abort()
      return ended
    },
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const kinds = (events: readonly DeviceEvent[]): string[] => events.map(({ kind }) => kind)
const only = <T>(items: Iterable<T>): T => [...items][0] ?? failed()
function failed(): never {
  throw new Error('there is none')
}

describe('a device on the wire', () => {
  it('[4.10] provisions in the order of stock devices, signs up, signs in, publishes, reports, signs out', async () => {
    const { device, events } = newDevice()
    await runDevice(device, { stop: new AbortController().signal, once: true })
    expect(services.asked).toEqual([
      'GET /x.plgd.dev/time',
      'GET /api/v1/provisioning/ownership',
      'POST /api/v1/provisioning/cloud-configuration',
      'POST /api/v1/provisioning/credentials',
      'GET /api/v1/provisioning/acls',
      'POST /oic/sec/account',
      'POST /oic/sec/session',
      'POST /api/v1/telemetry',
      'POST /oic/sec/session',
    ])
    expect(kinds(events).filter((kind) => kind !== 'step-done')).toEqual([
      'provisioned',
      'signed-up',
      'signed-in',
      'published',
      'telemetry-stored',
      'signed-out',
    ])
    expect(services.published).toEqual([expect.objectContaining({ di: files.id, ttl: 0 })])
    expect(services.telemetry.map(({ name }) => name)).toEqual(['light', 'temperature', 'battery'])
    expect(device.state.readTokens()?.uid).toBe(owner)
    expect(device.state.readCloudConfiguration()?.onboardingCode).toBeUndefined()
  })

  it('keeps identity and tokens: the second run neither provisions nor signs up', async () => {
    const { device } = newDevice()
    await runDevice(device, { stop: new AbortController().signal, once: true })
    services.asked.length = 0
    await runDevice(device, { stop: new AbortController().signal, once: true })
    expect(services.asked).toEqual(['POST /oic/sec/session', 'POST /api/v1/telemetry', 'POST /oic/sec/session'])
  })

  it('is read, updated and observed by the gateway on the association that it opened', async () => {
    const { device, events } = newDevice()
    const run = running(device)
    await until('it reports', () => services.telemetry.length > 0)
    const association = only(services.gateway.associations)
    const read = await services.gateway.request(association, { method: 'GET', path: '/light/1' })
    expect([read.code, decode(10000, read.payload)]).toEqual(['2.05', { state: false, power: 50 }])

    const seen: unknown[] = []
    const observation = await services.gateway.observe(
      association,
      { method: 'GET', path: '/light/1' },
      (notification) => seen.push(decode(10000, notification.payload)),
      () => undefined,
    )
    expect(observation.observed).toBe(true)
    const update = {
      method: 'POST',
      path: '/light/1',
      payload: encode(10000, { state: true }),
      contentFormat: 10000,
    } as const
    const answer = await services.gateway.request(association, update)
    expect([answer.code, decode(10000, answer.payload)]).toEqual(['2.04', { state: true, power: 50 }])
    await until('the change is notified', () => seen.length > 0)
    expect(seen.at(-1)).toEqual({ state: true, power: 50 })
    expect(events).toContainEqual({
      kind: 'resource-updated',
      href: '/light/1',
      representation: { state: true, power: 50 },
    })
    expect(await services.gateway.ping(association, seconds(2))).toBe(true)
    await run.stopped()
  })

  it('[4.20] renews at the dps with its identity certificate, or with the manufacturer certificate where that is refused', async () => {
    const { device, events } = newDevice()
    await ensureProvisioned(device)
    const serialNumbers = (): (string | undefined)[] => [
      device.manufacturer.chain[0]?.serialNumber,
      device.state.readIdentity()?.chain[0]?.serialNumber,
    ]
    const [manufacturer, first] = serialNumbers()
    const run = running(device, { renewNow: true })
    await until('it has renewed', () => kinds(events).includes('renewed'))
    await run.stopped()
    expect(services.credentialsAskedBy).toEqual([manufacturer, first])

    services.refuseAtDps(serialNumbers()[1])
    events.length = 0
    const again = running(device, { renewNow: true })
    await until('it has renewed again', () => kinds(events).includes('renewed'))
    await again.stopped()
    expect(services.credentialsAskedBy).toEqual([manufacturer, first, manufacturer])
  })

  it('[4.22] [4.23] renews its certificate beside the old one and signs in with it', async () => {
    const { device, events } = newDevice()
    const run = running(device, { renewNow: true })
    await until('it has renewed', () => kinds(events).includes('renewed'))
    expect(new Set(services.signedIn).size).toBe(2)
    expect(device.state.readIdentity()?.chain[0]?.serialNumber).toBe(services.signedIn.at(-1))
    await until('the old association is closed', () => [...services.gateway.associations].length === 1)
    expect(kinds(events)).not.toContain('connection-lost')
    await run.stopped()
  })

  it('[4.22] keeps the old certificate when the sign-in with the new one fails', async () => {
    const { device, events } = newDevice()
    await ensureProvisioned(device)
    const before = device.state.readIdentity()?.chain[0]?.serialNumber
    let signIns = 0
    const report = device.report
    const run = running(
      {
        ...device,
        report: (event) => {
          report(event)
          if (event.kind === 'published' && signIns++ === 0) {
            services.failOnce('/oic/sec/session', new CodedError('internal', 'a fault of the gateway'))
          }
        },
      },
      { renewNow: true },
    )
    await until('the renewal has failed', () => kinds(events).includes('renewal-failed'))
    expect(device.state.readIdentity()?.chain[0]?.serialNumber).toBe(before)
    await until('it still reports', () => services.telemetry.length > 6)
    await run.stopped()
  })

  it('[4.23] comes back by itself after a close_notify', async () => {
    const { device, events } = newDevice()
    const run = running(device)
    // An association that ends while it still publishes is an attempt that failed.
    await until('it has come in', () => kinds(events).includes('published'))
    only(services.gateway.associations).close()
    await until(
      'it knows that it is signed in again',
      () => kinds(events).filter((kind) => kind === 'signed-in').length === 2,
    )
    expect(events).toContainEqual({ kind: 'connection-lost', reason: 'the association ended (close-notify)' })
    await run.stopped()
    const signedIn = events.filter((event) => event.kind === 'signed-in')
    expect(signedIn.map(({ resumed }) => resumed)).toEqual([false, true])
  })

  it('[6.3] asked to come later, waits on its association and signs in there: it shakes hands once', async () => {
    const { device, events } = newDevice()
    const later = new CodedError('overloaded', 'Many devices are coming in.', { details: { retryAfterSeconds: 1 } })
    services.failOnce('/oic/sec/session', later)
    const before = services.asked.length
    const run = running(device)
    await until('it reports', () => services.telemetry.length > 0)
    const asked = services.asked.slice(before).filter((what) => what === 'POST /oic/sec/session')
    expect(asked).toHaveLength(2)
    expect(kinds(events)).not.toContain('attempt-failed')
    expect([...services.gateway.associations]).toHaveLength(1)
    const signedIn = events.find(({ kind }) => kind === 'signed-in')
    expect(signedIn?.kind === 'signed-in' ? signedIn.took : 0).toBeGreaterThanOrEqual(1000)
    await run.stopped()
  })

  it('signs in again when the gateway knows of no sign-in, and loses no measurement by it', async () => {
    const { device, events } = newDevice()
    services.failOnce('/api/v1/telemetry', new CodedError('device-not-signed-in', 'Sign in first.'))
    const run = running(device)
    await until('it reports', () => services.telemetry.length > 0)
    expect(events).toContainEqual({ kind: 'connection-lost', reason: 'the gateway knows of no sign-in' })
    expect(services.signedIn).toHaveLength(2)
    const first = Math.min(...services.telemetry.map(({ time }) => time))
    const lost = events.findIndex(({ kind }) => kind === 'connection-lost')
    expect(lost).toBeGreaterThan(0)
    expect(first).toBeLessThan(Date.now() - 500)
    await run.stopped()
  })

  it('notices by unanswered pings that the gateway is gone, and comes back when it is there again', async () => {
    const { device, events } = newDevice({ handshakeTimeout: seconds(1) })
    const run = running(device, { keepAlive: { interval: seconds(0.2), timeout: seconds(0.2) } })
    await until('it reports', () => services.telemetry.length > 0)
    services.cutGateway(true)
    await until('it has noticed', () => kinds(events).includes('connection-lost'))
    await until('an attempt has failed', () => kinds(events).includes('attempt-failed'))
    services.cutGateway(false)
    await until('it is signed in again', () => services.signedIn.length === 2)
    await run.stopped()
  })

  it('refreshes its tokens when sign-in is refused, and provisions again when those are refused too', async () => {
    const { device, events } = newDevice()
    await runDevice(device, { stop: new AbortController().signal, once: true })
    services.failOnce('/oic/sec/session', new CodedError('device-token-invalid', 'expired'))
    await runDevice(device, { stop: new AbortController().signal, once: true })
    expect(kinds(events)).toContain('tokens-refreshed')
    expect(device.state.readTokens()?.accessToken).toBe('access-new')

    services.failOnce('/oic/sec/session', new CodedError('device-token-invalid', 'expired'))
    services.failOnce('/oic/sec/tokenrefresh', new CodedError('device-token-invalid', 'unknown'))
    await runDevice(device, { stop: new AbortController().signal, once: true })
    expect(kinds(events).filter((kind) => kind === 'provisioned')).toHaveLength(2)
  })

  it('provisions again for a new code when its onboarding code has expired', async () => {
    const { device, events } = newDevice()
    services.failOnce('/oic/sec/account', new CodedError('onboarding-code-invalid', 'expired'))
    await runDevice(device, { stop: new AbortController().signal, once: true })
    expect(kinds(events).filter((kind) => kind === 'provisioned')).toHaveLength(2)
    expect(kinds(events)).toContain('signed-in')
  })
})

describe('a gateway that moves', () => {
  it('is found again through the dps after three attempts without an answer', async () => {
    const { device, events } = newDevice({ handshakeTimeout: seconds(0.3) })
    await runDevice(device, { stop: new AbortController().signal, once: true })
    services.cutGateway(true)
    services.moveGateway()
    const run = running(device)
    await until('it is signed in again', () => services.signedIn.length === 2)
    expect(kinds(events).filter((kind) => kind === 'attempt-failed')).toHaveLength(3)
    expect(kinds(events).filter((kind) => kind === 'provisioned')).toHaveLength(1)
    expect(kinds(events)).toContain('gateway-changed')
    expect(device.state.readCloudConfiguration()?.onboardingCode).toBeUndefined()
    await run.stopped()
  })
})

describe('what a device says when it cannot', () => {
  const once = { stop: new AbortController().signal, once: true }

  it('names the address that does not answer', async () => {
    const { device } = newDevice({ dps: 'coaps://127.0.0.1:9', handshakeTimeout: seconds(1) })
    await expect(runDevice(device, once)).rejects.toThrow(/coaps:\/\/127\.0\.0\.1:9: .*is the address right/)
  })

  it('names the trust anchor that does not lead to the server', async () => {
    const { device } = newDevice({ anchors: certificatesFromPem(opensslAuthority(join(folder, 'other'), 'other').pem) })
    await expect(runDevice(device, once)).rejects.toThrow('trust-anchor.pem')
  })

  it('names the alert with which the gateway refuses it, and does not try again', async () => {
    services.refuseAtGateway({ accepted: false, alert: 'access_denied', code: 'device-blocked', detail: 'blocked' })
    const { device } = newDevice()
    await expect(runDevice(device, { stop: new AbortController().signal })).rejects.toMatchObject({
      alert: 'access_denied',
      message: expect.stringContaining('was deleted or is blocked'),
    })
  })

  it('refuses a gateway that carries another name than cloud-configuration gave (RFC 7925 section 4.4.1)', async () => {
    const { device } = newDevice()
    await ensureProvisioned(device)
    const cloud = device.state.readCloudConfiguration() ?? failed()
    device.state.writeCloudConfiguration({ ...cloud, hubId: '00000000-0000-4000-8000-000000000000' })
    await expect(runDevice(device, once)).rejects.toMatchObject({ step: 'connect', alert: 'bad_certificate' })
  })
})

describe('a fleet', () => {
  it('starts, stays, reports and signs out, each device on its own association', async () => {
    // One may be left that a lost close_notify never ended.
    const before = [...services.gateway.associations].length
    const tally = await runFleet({
      devices: readFleetDevices(join(folder, 'devices'), 8),
      dps: services.dps,
      anchors: certificatesFromPem(authority.pem),
      concurrency: 4,
      stay: seconds(0.5),
      telemetryInterval: seconds(0.2),
      attempts: 1,
      clock: clockFrom(Date.now),
      random: Math.random,
      stop: new AbortController().signal,
    })
    const summary = tally.summary(clockFrom(Date.now).now(), { rssBytes: 0, heapBytes: 0 })
    expect(summary).toMatchObject({ devices: 8, provisioned: 8, signedIn: 8, failed: 0, retries: 0, lost: 0 })
    expect(summary.reported).toBe(8)
    expect(summary.phases.telemetry.count).toBeGreaterThan(8)
    await until('all have left', () => [...services.gateway.associations].length === before)
  })
})
