/**
 * The state of one association, from the handshake to sign-out (protocol.md, gateway).
 *
 *   connected ──sign up──► signed-up ──sign in──► signed-in ──sign out, token's end──► connected
 *        └───────────────sign in (has a token already)──────►┘
 *
 * Rules only: no socket, no database, no clock. Signing up is no precondition of signing in: a device keeps its tokens.
 */

import { between, type Duration, earlier, type Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'

export type DeviceSessionState =
  | { readonly phase: 'connected' }
  | { readonly phase: 'signed-up' }
  | {
      readonly phase: 'signed-in'
      readonly signedInAt: Instant
      /** When the token, or the certificate, ends: the session ends with it. */
      readonly endsAt: Instant
      /** A device that was not heard of for longer than its group expects is offline, and signed in still. */
      readonly presence: 'online' | 'silent'
    }

/** What is open to a device that has not signed in (beside `/.well-known/core`, which coaps serves). */
const openPaths: ReadonlySet<string> = new Set([
  '/oic/sec/account',
  '/oic/sec/session',
  '/oic/sec/tokenrefresh',
  '/x.plgd.dev/time',
  '/.well-known/core',
])

export class DeviceSession {
  #state: DeviceSessionState = { phase: 'connected' }
  #lastContact: Instant

  constructor(openedAt: Instant) {
    this.#lastContact = openedAt
  }

  /** Goes on with what another gateway knew. */
  resume(
    session: { readonly signedInAt: Instant; readonly endsAt: Instant },
    presence: 'online' | 'silent',
    lastContact: Instant,
  ): void {
    const { signedInAt, endsAt } = session
    this.#state = { phase: 'signed-in', signedInAt, endsAt, presence }
    this.#lastContact = lastContact
  }

  get state(): DeviceSessionState {
    return this.#state
  }

  get lastContact(): Instant {
    return this.#lastContact
  }

  signedUp(): void {
    if (this.#state.phase === 'connected') this.#state = { phase: 'signed-up' }
  }

  /** @returns how long the session lasts. */
  signedIn(now: Instant, endsAt: Instant): Duration {
    this.#state = { phase: 'signed-in', signedInAt: now, endsAt, presence: 'online' }
    this.#lastContact = now
    return between(now, endsAt)
  }

  /** Signed out, expired or closed. False when it was not signed in. */
  ended(): boolean {
    const was = this.#state.phase === 'signed-in'
    this.#state = { phase: 'connected' }
    return was
  }

  isSignedIn(now: Instant): boolean {
    return this.#state.phase === 'signed-in' && now < this.#state.endsAt
  }

  hasExpired(now: Instant): boolean {
    return this.#state.phase === 'signed-in' && now >= this.#state.endsAt
  }

  /** Notes that the device was heard of. True when that makes it online again. */
  contact(now: Instant): boolean {
    this.#lastContact = now
    if (this.#state.phase !== 'signed-in' || this.#state.presence === 'online') return false
    this.#state = { ...this.#state, presence: 'online' }
    return true
  }

  /** True, once, when an online device was not heard of for longer than `expected`. */
  fallsSilent(now: Instant, expected: Duration): boolean {
    if (this.#state.phase !== 'signed-in' || this.#state.presence === 'silent') return false
    if (this.#lastContact >= earlier(now, expected)) return false
    this.#state = { ...this.#state, presence: 'silent' }
    return true
  }

  /** @throws CodedError `device-not-signed-in` unless the path is open or the device is signed in. */
  admit(path: string, now: Instant): void {
    if (openPaths.has(path) || this.isSignedIn(now)) return
    throw new CodedError('device-not-signed-in', 'Sign in at /oic/sec/session first.')
  }
}
