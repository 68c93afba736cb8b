/**
 * The keys of devices that authenticate with a pre-shared key, asked of the control plane (design §7).
 *
 * In memory alone, for seconds, so that a device that tries again costs no second look-up: never in a log or an error. While
 * the control plane is away, who is not in memory does not come in. What is revoked is forgotten at once (`forget`).
 *
 * Every answer takes a set time at least, whether it came from memory or not: how long a handshake waits tells nobody which
 * identities there are, or which came lately.
 */

import { createHash } from 'node:crypto'
import { fromBase64Url, toBase64Url, toHex } from '@sallyport/bytes'
import { type Clock, type Duration, type Instant, later, milliseconds, seconds } from '@sallyport/clock'
import type { FindPsk, PskFound, PskRefused } from '@sallyport/coaps'
import { CodedError, type ErrorCode, hasCode } from '@sallyport/errors'
import type { ServiceClient } from '@sallyport/http'
import type { DeviceIdentity } from './device-identity.ts'

type Found = PskFound<DeviceIdentity> | PskRefused

interface Remembered {
  readonly found: Found
  /** Absent for an identity that nobody has. */
  readonly deviceId: string | undefined
  readonly until: Instant
}

export interface PskLookupOptions {
  readonly controlPlane: Pick<ServiceClient, 'request'>
  readonly clock: Clock
  /** Default 5 s. */
  readonly rememberedFor?: Duration
  /** Default 20 ms: longer than most look-ups take. */
  readonly answersAfter?: Duration
}

/** Beyond it the oldest are forgotten: strangers can name as many identities as they like. */
const mostRemembered = 10_000

export class PskLookup {
  readonly #options: PskLookupOptions
  readonly #remembered = new Map<string, Remembered>()
  /** Counts revocations: what was asked before one is not remembered after it. */
  #revocations = 0

  constructor(options: PskLookupOptions) {
    this.#options = options
  }

  /** @throws CodedError `dependency-unavailable` while the control plane cannot be asked. */
  readonly find: FindPsk<DeviceIdentity> = async (identity) => {
    const name = toBase64Url(identity)
    const [found] = await Promise.all([this.#findOrAsk(name, identity), delay(this.#options.answersAfter)])
    return found
  }

  /** Its keys are asked for anew. */
  forget(deviceId: string): void {
    this.#revocations += 1
    for (const [name, known] of this.#remembered) if (known.deviceId === deviceId) this.#remembered.delete(name)
  }

  async #findOrAsk(name: string, identity: Uint8Array): Promise<Found> {
    const { clock, rememberedFor = seconds(5) } = this.#options
    const known = this.#remembered.get(name)
    if (known !== undefined && clock.now() < known.until) return known.found
    this.#remembered.delete(name)
    const revocations = this.#revocations
    const { found, deviceId } = await this.#ask(name, identity)
    if (revocations !== this.#revocations) return found
    this.#remembered.set(name, { found, deviceId, until: later(clock.now(), rememberedFor) })
    if (this.#remembered.size > mostRemembered) {
      for (const oldest of this.#remembered.keys()) {
        this.#remembered.delete(oldest)
        break
      }
    }
    return found
  }

  async #ask(name: string, identity: Uint8Array): Promise<{ found: Found; deviceId: string | undefined }> {
    const { body } = await this.#options.controlPlane.request({
      method: 'POST',
      path: '/internal/v1/psk-lookup',
      json: { identity: name },
    })
    const answer = (body ?? {}) as Readonly<Record<string, unknown>>
    const { found, deviceId, organizationId, key, code } = answer
    if (found === true && typeof deviceId === 'string' && typeof organizationId === 'string') {
      const pskIdentitySha256 = toHex(createHash('sha256').update(identity).digest())
      return { found: { key: keyIn(key), identity: { deviceId, organizationId, pskIdentitySha256 } }, deviceId }
    }
    if (found !== false || !isRefusal(code)) throw senseless()
    const device = typeof deviceId === 'string' ? deviceId : undefined
    const detail = device === undefined ? 'no device has this PSK identity' : `the PSK of device ${device}`
    return { found: { refused: code, detail }, deviceId: device }
  }
}

const refusals = [
  'psk-identity-unknown',
  'psk-revoked',
  'psk-not-allowed',
  'device-blocked',
] as const satisfies ErrorCode[]

const isRefusal = (code: unknown): code is (typeof refusals)[number] => refusals.some((known) => known === code)

function keyIn(text: unknown): Uint8Array {
  if (typeof text !== 'string') throw senseless()
  try {
    return fromBase64Url(text)
  } catch (error) {
    if (hasCode(error, 'malformed-bytes')) throw senseless()
    throw error
  }
}

const delay = (time: Duration = milliseconds(20)): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, time)
  })

/** Without the answer's bytes: they may hold a key. */
const senseless = (): CodedError =>
  new CodedError('dependency-unavailable', "The control plane's answer about a PSK identity makes no sense.")
