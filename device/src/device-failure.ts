/**
 * Why a step of the device did not work: the step, what was wrong, and where it can be said what to do about it.
 *
 * `reason` is short and the same for the same cause, so that a fleet can count failures by it.
 */

import type { Duration } from '@sallyport/clock'

/** What a device does, in order. */
export type Step =
  | 'configuration'
  | 'state'
  | 'connect'
  | 'time'
  | 'ownership'
  | 'cloud-configuration'
  | 'credentials'
  | 'acls'
  | 'sign-up'
  | 'sign-in'
  | 'token-refresh'
  | 'sign-out'
  | 'publish'
  | 'telemetry'
  | 'keep-alive'

export class DeviceFailure extends Error {
  readonly step: Step
  readonly reason: string
  /** The CoAP code, where the peer answered. */
  readonly coapCode: string | undefined
  /** The peer's error code (RFC 9290 problem details), or the local one. */
  readonly errorCode: string | undefined
  /** The alert that ended the handshake, where one was received or sent. */
  readonly alert: string | undefined
  /** The Max-Age of the answer: not before then. */
  readonly retryAfter: Duration | undefined

  constructor(
    step: Step,
    message: string,
    options: {
      cause?: unknown
      coapCode?: string
      errorCode?: string | undefined
      alert?: string | undefined
      retryAfter?: Duration | undefined
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'DeviceFailure'
    this.step = step
    this.coapCode = options.coapCode
    this.errorCode = options.errorCode
    this.alert = options.alert
    this.retryAfter = options.retryAfter
    this.reason = [step, options.coapCode, options.alert, options.errorCode]
      .filter((part) => part !== undefined)
      .join(' ')
  }
}

export function isDeviceFailure(error: unknown): error is DeviceFailure {
  return error instanceof DeviceFailure
}
