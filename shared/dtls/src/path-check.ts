/**
 * Return routability check (RFC 9853), basic: before an association follows its peer to another address, whoever is there
 * must show that it can read what we send there.
 *
 *   a newest record from elsewhere  →  path_challenge(cookie) to there  →  path_response(cookie) from there  →  we follow
 *
 * Meanwhile the peer's address is the former one. What we say goes there, and also to the new one as far as three times
 * what came from there allows: a NAT that has forgotten the former costs nothing, and whoever let a record of the peer
 * come from somewhere else gets little sent there, and never the association.
 *
 * A challenge is repeated twice, each with a cookie of its own; then the matter is closed until a newer record comes. We
 * do not ask the former address (the enhanced check), so a path_drop tells us nothing.
 */

import { constantTimeEqual } from '@sallyport/bytes'
import { type Instant, later, seconds } from '@sallyport/clock'
import type { PeerAddress } from './output.ts'

/** return_routability_check: a type and a cookie. */
const messageTypes = { pathChallenge: 0, pathResponse: 1 } as const

export const pathCookieLength = 8
export const pathMessageLength = 1 + pathCookieLength

export interface PathCheck {
  /** Not proven yet. */
  readonly address: PeerAddress
  /** Of the challenges that were sent; any may be answered. */
  readonly cookies: Uint8Array[]
  receivedBytes: number
  sentBytes: number
  /** When the next challenge is due, or the end. */
  dueAt: Instant
}

const maxChallenges = 3
/** RFC 9853 leaves it to us; doubles with each challenge. */
const firstTimeout = seconds(1)
const amplificationLimit = 3

export const beginPathCheck = (address: PeerAddress, receivedBytes: number, now: Instant): PathCheck => ({
  address,
  cookies: [],
  receivedBytes,
  sentBytes: 0,
  dueAt: now,
})

/** Counts what is about to be sent to the address that is not proven; false, and nothing counted, when it is too much. */
export function mayReceive(check: PathCheck, bytes: number): boolean {
  if (check.sentBytes + bytes > amplificationLimit * check.receivedBytes) return false
  check.sentBytes += bytes
  return true
}

/** The message for another try; undefined when there have been enough. */
export function nextChallenge(check: PathCheck, cookie: Uint8Array, now: Instant): Uint8Array | undefined {
  if (check.cookies.length === maxChallenges) return undefined
  check.dueAt = later(now, seconds((firstTimeout / 1000) * 2 ** check.cookies.length))
  check.cookies.push(cookie)
  return writePathMessage(messageTypes.pathChallenge, cookie)
}

/** Only from where the challenge went: from elsewhere it says nothing about that path. */
export const isProvenBy = (check: PathCheck, cookie: Uint8Array, from: PeerAddress): boolean =>
  isSameAddress(check.address, from) && check.cookies.some((sent) => constantTimeEqual(sent, cookie))

export const pathResponse = (cookie: Uint8Array): Uint8Array => writePathMessage(messageTypes.pathResponse, cookie)

function writePathMessage(type: number, cookie: Uint8Array): Uint8Array {
  const message = new Uint8Array(pathMessageLength)
  message[0] = type
  message.set(cookie, 1)
  return message
}

/** Undefined for what is neither: other types are overlooked (RFC 9853 section 4). The cookie is a view. */
export function readPathMessage(
  content: Uint8Array,
): { readonly kind: 'path-challenge' | 'path-response'; readonly cookie: Uint8Array } | undefined {
  if (content.length !== pathMessageLength) return undefined
  const cookie = content.subarray(1)
  if (content[0] === messageTypes.pathChallenge) return { kind: 'path-challenge', cookie }
  return content[0] === messageTypes.pathResponse ? { kind: 'path-response', cookie } : undefined
}

export const isSameAddress = (a: PeerAddress, b: PeerAddress): boolean => a.port === b.port && a.address === b.address
