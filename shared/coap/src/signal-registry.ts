/**
 * Signalling messages (RFC 8323 section 5): their codes, and their options, whose numbers mean something else for each code.
 *
 * An odd number is critical here too: one that is not understood aborts the connection; an even one is passed over.
 */

import type { CoapContent, CoapOption } from './message-codec.ts'
import { noBytes, readUint, uintValue } from './message-codec.ts'
import { isCritical } from './option-registry.ts'

/** `7.dd` as one byte. */
export const signalCodes = {
  /** Capabilities and Settings Message. */
  csm: 0xe1,
  ping: 0xe2,
  pong: 0xe3,
  release: 0xe4,
  abort: 0xe5,
} as const

export const isSignalCode = (code: number): boolean => code >> 5 === 7

const csmOptions = { maxMessageSize: 2, blockWiseTransfer: 4 } as const
/** Of Ping and Pong. */
const custody = 2
const badCsmOption = 2

/** Until the peer has said another (RFC 8323 section 5.3.1). */
export const baseMaxMessageBytes = 1152

export interface Capabilities {
  readonly maxMessageBytes: number
  /** The peer has said that it can do block-wise transfers. Not having said it means nothing. */
  readonly blockWise: boolean
}

export const baseCapabilities: Capabilities = { maxMessageBytes: baseMaxMessageBytes, blockWise: false }

/** A critical option that is not understood. */
export interface BadSignalOption {
  readonly badOption: number
}

/** The capabilities after a CSM: what it does not mention stays. */
export function capabilitiesIn(message: CoapContent, before: Capabilities): Capabilities | BadSignalOption {
  let { maxMessageBytes, blockWise } = before
  for (const { number, value } of message.options) {
    if (number === csmOptions.maxMessageSize && value.length <= 4) maxMessageBytes = readUint(value)
    else if (number === csmOptions.blockWiseTransfer) blockWise = true
    else if (isCritical(number)) return { badOption: number }
  }
  return { maxMessageBytes, blockWise }
}

/** Of the other signals no option is critical. @returns its number where there is one all the same */
export const badOptionIn = (message: CoapContent): number | undefined =>
  message.options.find(({ number }) => isCritical(number))?.number

export const asksForCustody = (message: CoapContent): boolean =>
  message.options.some(({ number }) => number === custody)

const signal = (code: number, options: readonly CoapOption[], token = noBytes, payload = noBytes): CoapContent => ({
  code,
  token,
  options,
  payload,
})

export const csm = (maxMessageBytes: number): CoapContent =>
  signal(signalCodes.csm, [
    { number: csmOptions.maxMessageSize, value: uintValue(maxMessageBytes) },
    { number: csmOptions.blockWiseTransfer, value: noBytes },
  ])

export const ping = (token: Uint8Array): CoapContent => signal(signalCodes.ping, [], token)

export const pong = (token: Uint8Array, withCustody: boolean): CoapContent =>
  signal(signalCodes.pong, withCustody ? [{ number: custody, value: noBytes }] : [], token)

export const release = (): CoapContent => signal(signalCodes.release, [])

/** @param reason a diagnostic payload, for people */
export const abort = (reason: string, badOption?: number): CoapContent =>
  signal(
    signalCodes.abort,
    badOption === undefined ? [] : [{ number: badCsmOption, value: uintValue(badOption) }],
    noBytes,
    Buffer.from(reason, 'utf8'),
  )
