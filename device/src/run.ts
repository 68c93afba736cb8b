/**
 * The life of a device: provision where needed → session → telemetry, keep-alive, token refresh and certificate renewal until
 * the connection is lost → back off → session again, until it is told to stop.
 *
 * A renewed certificate is used beside the old one: the old identity and its session go only when a sign-in with the new
 * one has worked.
 *
 * It gives up only where trying again cannot help: when dps or gateway refuse the device itself.
 */

import { between, type Duration, type Instant, later, milliseconds, minutes, seconds } from '@sallyport/clock'
import { BackOff } from './back-off.ts'
import type { DeviceContext } from './device-context.ts'
import { type DeviceFailure, isDeviceFailure } from './device-failure.ts'
import type { Identity } from './device-state.ts'
import { KeepAlive, type KeepAliveOptions } from './keep-alive.ts'
import { pause } from './pause.ts'
import {
  ensureProvisioned,
  findGatewayAgain,
  provisionAgain,
  stageRenewedIdentity,
  validUntil,
} from './provisioned-device.ts'
import { renewalTime } from './renewal.ts'
import { closeSession, openSession, refreshSession, type Session } from './session.ts'
import { Telemetry } from './telemetry.ts'

export interface RunOptions {
  /** Aborted to stop: the device signs out. */
  readonly stop: AbortSignal
  /** Between measurements; default 10 s. */
  readonly telemetryInterval?: Duration
  readonly keepAlive?: KeepAliveOptions
  /** End after the first stored telemetry, and let failures end it. */
  readonly once?: boolean
  readonly renewNow?: boolean
  /** Called with what forces a renewal. */
  readonly onRunning?: (controls: { renewNow(): void }) => void
}

/** Why a session is left. */
type Leaving = 'stopped' | 'lost' | 'renewal-due' | 'refresh-due'

const renewalRetry = minutes(1)
/** Attempts to connect without success; from then on the dps is asked whether the gateway is elsewhere now. */
const askAgainAfter = 3
/** A session that lived so long was no part of the trouble: the next attempt comes soon. */
const steadyAfter = minutes(1)

/** @throws DeviceFailure where the device is refused, or on any failure with `once`. */
export async function runDevice(device: DeviceContext, options: RunOptions): Promise<void> {
  const backOff = new BackOff(device.random)
  const telemetry = new Telemetry(device.clock, device.report)
  let renewNow = options.renewNow === true
  let unanswered = 0
  while (!options.stop.aborted) {
    try {
      const identity = await ensureProvisioned(device)
      const session = await openSession(device, identity).catch((error: unknown) =>
        afterLostRegistration(device, error),
      )
      const opened = device.clock.now()
      unanswered = 0
      if (options.once === true) {
        telemetry.measure(device.resources)
        await telemetry.send(session.link)
        await closeSession(device, session)
        return
      }
      if (await new Life(device, options, telemetry, identity, session, renewNow).live()) return
      renewNow = false
      if (between(opened, device.clock.now()) >= steadyAfter) backOff.reset()
      await pause(backOff.next(), options.stop)
    } catch (error) {
      if (!isDeviceFailure(error) || options.once === true || isFinal(error)) throw error
      const retryIn = backOff.next()
      device.report({ kind: 'attempt-failed', failure: error, retryIn })
      await pause(retryIn, options.stop)
      unanswered = error.step === 'connect' ? unanswered + 1 : 0
      if (unanswered >= askAgainAfter && !options.stop.aborted) await lookForGateway(device)
    }
  }
}

/** An onboarding code that expired unused, or tokens that nobody knows any more: only provisioning gives new ones. */
async function afterLostRegistration(device: DeviceContext, error: unknown): Promise<Session> {
  const lost =
    isDeviceFailure(error) && error.coapCode === '4.01' && (error.step === 'sign-up' || error.step === 'token-refresh')
  if (!lost) throw error
  return openSession(device, await provisionAgain(device))
}

/** The gateway may have moved, or another one may live: the dps knows. It may be away too, and that is no news. */
async function lookForGateway(device: DeviceContext): Promise<void> {
  const identity = device.state.readIdentity()
  if (identity === undefined) return
  try {
    await findGatewayAgain(device, identity)
  } catch (error) {
    if (!isDeviceFailure(error) || isFinal(error)) throw error
  }
}

/** Refusals of the device itself: the same certificate would be refused again. */
function isFinal(failure: DeviceFailure): boolean {
  if (failure.step === 'configuration' || failure.step === 'state') return true
  // Another server at the gateway's old address is no refusal of the device.
  if (failure.errorCode === 'device-id-mismatch') return false
  if (failure.step === 'connect') return failure.alert !== undefined && finalAlerts.includes(failure.alert)
  return failure.coapCode === '4.03'
}

const finalAlerts: readonly string[] = [
  'access_denied',
  'bad_certificate',
  'certificate_revoked',
  'unknown_ca',
  'unsupported_certificate',
  'handshake_failure',
]

/** One connected stretch of the device's life; the session and the identity may be renewed within it. */
class Life {
  readonly #device: DeviceContext
  readonly #options: RunOptions
  readonly #telemetry: Telemetry
  #identity: Identity
  #session: Session
  #renewAt: Instant
  #refreshAt: Instant | undefined

  constructor(
    device: DeviceContext,
    options: RunOptions,
    telemetry: Telemetry,
    identity: Identity,
    session: Session,
    renewNow: boolean,
  ) {
    this.#device = device
    this.#options = options
    this.#telemetry = telemetry
    this.#identity = identity
    this.#session = session
    this.#renewAt = renewNow ? device.clock.now() : this.#renewalTime()
    this.#refreshAt = this.#refreshTime()
  }

  /** @returns true when it was told to stop, false when the connection is lost. */
  async live(): Promise<boolean> {
    for (;;) {
      const leaving = await this.#untilSomethingIsDue()
      switch (leaving) {
        case 'stopped':
          await closeSession(this.#device, this.#session)
          return true
        case 'lost':
          this.#session.link.close()
          return false
        case 'renewal-due':
          await this.#renew()
          break
        case 'refresh-due':
          await this.#refresh()
          break
      }
    }
  }

  async #untilSomethingIsDue(): Promise<Leaving> {
    const { stop } = this.#options
    const { link } = this.#session
    const leaving = Promise.withResolvers<Leaving>()
    const left = new AbortController()
    const signal = AbortSignal.any([stop, left.signal])
    const keepAlive = new KeepAlive(link, this.#options.keepAlive)

    stop.addEventListener('abort', () => leaving.resolve('stopped'), { once: true, signal: left.signal })
    if (stop.aborted) leaving.resolve('stopped')
    void link.closed.then((reason) => this.#lose(leaving, left.signal, `the association ended (${reason})`))
    this.#options.onRunning?.({ renewNow: () => leaving.resolve('renewal-due') })
    void this.#waitUntil(this.#renewAt, signal).then(() => leaving.resolve('renewal-due'))
    if (this.#refreshAt !== undefined) {
      void this.#waitUntil(this.#refreshAt, signal).then(() => leaving.resolve('refresh-due'))
    }
    const work = Promise.all([
      keepAlive.watch(signal).then((answers) => {
        if (!answers) this.#lose(leaving, left.signal, 'the gateway does not answer')
      }),
      this.#measureAndSend(keepAlive, signal).then((isSignedIn) => {
        if (!isSignedIn) this.#lose(leaving, left.signal, 'the gateway knows of no sign-in')
      }),
    ])
    work.catch((error: unknown) => leaving.reject(error))
    try {
      return await leaving.promise
    } finally {
      left.abort()
    }
  }

  #lose(leaving: PromiseWithResolvers<Leaving>, left: AbortSignal, reason: string): void {
    if (left.aborted || this.#options.stop.aborted) return
    this.#device.report({ kind: 'connection-lost', reason })
    leaving.resolve('lost')
  }

  /** @returns false when the gateway has forgotten that the device is signed in. */
  async #measureAndSend(keepAlive: KeepAlive, signal: AbortSignal): Promise<boolean> {
    const interval = this.#options.telemetryInterval ?? seconds(10)
    let measured = this.#device.clock.now()
    while (!signal.aborted) {
      this.#telemetry.measure(this.#device.resources)
      try {
        await this.#telemetry.send(this.#session.link)
      } catch (error) {
        if (!isDeviceFailure(error)) throw error
        if (error.coapCode === '4.01') return false
        if (!signal.aborted) keepAlive.suspect()
      }
      await pause(interval, signal)
      const now = this.#device.clock.now()
      for (const resource of this.#device.resources) resource.tick(between(measured, now) / 1000)
      measured = now
    }
    return true
  }

  async #waitUntil(at: Instant, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const left = between(this.#device.clock.now(), at)
      if (left === 0) return
      await pause(left, signal)
    }
    // Left for another reason: never resolves, so that it decides nothing.
    await new Promise<never>(() => undefined)
  }

  async #renew(): Promise<void> {
    try {
      const identity = await stageRenewedIdentity(this.#device, this.#identity)
      const session = await openSession(this.#device, identity)
      this.#device.state.adoptIdentity()
      this.#session.link.close()
      this.#identity = identity
      this.#session = session
      this.#renewAt = this.#renewalTime()
      this.#refreshAt = this.#refreshTime()
      this.#device.report({ kind: 'renewed', validUntil: validUntil(identity) })
    } catch (error) {
      if (!isDeviceFailure(error)) throw error
      this.#renewAt = later(this.#device.clock.now(), renewalRetry)
      this.#device.report({ kind: 'renewal-failed', failure: error, retryIn: renewalRetry })
    }
  }

  async #refresh(): Promise<void> {
    try {
      this.#session = await refreshSession(this.#device, this.#session)
      this.#refreshAt = this.#refreshTime()
    } catch (error) {
      if (!isDeviceFailure(error)) throw error
      this.#refreshAt = later(this.#device.clock.now(), renewalRetry)
      this.#device.report({ kind: 'attempt-failed', failure: error, retryIn: renewalRetry })
    }
  }

  #renewalTime(): Instant {
    return renewalTime(validUntil(this.#identity), this.#device.clock.now())
  }

  /** Two thirds of what the access token still lives. */
  #refreshTime(): Instant | undefined {
    const { expiresAt } = this.#session.tokens
    if (expiresAt === undefined) return undefined
    const now = this.#device.clock.now()
    return later(now, milliseconds(Math.floor((between(now, expiresAt) * 2) / 3)))
  }
}
