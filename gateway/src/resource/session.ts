/**
 * POST /oic/sec/session: sign in (`login: true`) and sign out (`login: false`).
 *
 *   1. the body names this device, and the owner that its token names;
 *   2. the token is good and bound to one of this device's credentials;
 *   3. the credential of the association is live still, the device registered and not blocked;
 *   4. the credential counts as in use from now on, which supersedes the device's older ones;
 *   5. the device is declared online; its older association here ends;
 *   6. after the answer: what waited for the device is sent.
 *
 * The session ends with the token or the certificate, whichever ends first.
 */

import { type Clock, type Instant, inSeconds } from '@sallyport/clock'
import type { CoapResponse } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError, type ErrorCode, isCodedError } from '@sallyport/errors'
import { optionalBooleanAt, optionalTextAt, textAt, type ValueRecord } from '@sallyport/representation'
import type { Store } from '@sallyport/store'
import { withdrawnCode, withdrawnPskCode } from '../admission.ts'
import { assertOwnDevice } from '../device-id.ts'
import type { DeviceIdentity } from '../device-identity.ts'
import { actOf, type DeviceRequest, type DeviceResource, logFieldsOf } from '../device-request.ts'
import type { DeviceToken, DeviceTokenVerifier } from '../device-token-verifier.ts'
import type { LiveDevice, LiveDevices } from '../live-devices.ts'
import { answer, requestBody } from '../message-body.ts'
import type { Presence } from '../presence.ts'

export interface SessionOptions {
  readonly tokens: Pick<DeviceTokenVerifier, 'verify'>
  readonly devices: LiveDevices
  readonly presence: Pick<Presence, 'comesOnline' | 'goesOffline'>
  readonly store: {
    readonly devices: Pick<Store['devices'], 'readForGateway'>
    readonly certificates: Pick<Store['certificates'], 'findRecorded' | 'markSignedIn'>
    readonly psks: Pick<Store['psks'], 'findRecorded' | 'markSignedIn'>
  }
  readonly clock: Clock
  readonly log: Logger
  /** Carries out what keeps connections to the database busy. */
  readonly inTurn: <T>(request: DeviceRequest, work: () => Promise<T>) => Promise<T>
  /** The device is answered when it resolves; others have their turn meanwhile. */
  readonly onSignedIn: (live: LiveDevice) => Promise<void>
  readonly onSignedOut: (live: LiveDevice) => void
  /** A sign-in that was refused: for the audit trail. */
  readonly onRefused: (request: DeviceRequest, code: ErrorCode) => void
}

export function sessionResource(options: SessionOptions): DeviceResource {
  return {
    path: '/oic/sec/session',
    attributes: { rt: 'oic.r.session', ct: [10000, 60, 50] },
    handlers: { POST: (request) => signInOrOut(options, request) },
  }
}

async function signInOrOut(options: SessionOptions, request: DeviceRequest): Promise<CoapResponse> {
  const body = requestBody(request)
  const login = optionalBooleanAt(body, 'login')
  if (login === undefined) throw new CodedError('malformed-request', "'login' is missing")
  if (!login) return options.inTurn(request, () => signOut(options, request, body))
  try {
    const { live, response } = await options.inTurn(request, () => signIn(options, request, body))
    await options.onSignedIn(live)
    return response
  } catch (error) {
    if (isCodedError(error) && error.blame !== 'environment') options.onRefused(request, error.code)
    throw error
  }
}

interface SignedIn {
  readonly live: LiveDevice
  readonly response: CoapResponse
}

async function signIn(options: SessionOptions, request: DeviceRequest, body: ValueRecord): Promise<SignedIn> {
  const { association, correlationId } = request
  const { identity } = association
  assertOwnDevice(textAt(body, 'di'), identity)
  const owner = textAt(body, 'uid')
  const token = await options.tokens.verify(textAt(body, 'accesstoken'), identity)
  if (owner !== token.organizationId) throw new CodedError('device-token-invalid', 'uid is not the owner in the token.')
  const { expectedInterval, isFirst } = await assertMaySignIn(options, request)

  const live = options.devices.of(association)
  const now = options.clock.now()
  const endsAt = endOfSession(token, identity)
  const lasts = live.session.signedIn(now, endsAt)
  live.expectedInterval = expectedInterval
  try {
    if (isFirst) await markSignedIn(options, request)
    await options.presence.comesOnline(live, correlationId)
  } catch (error) {
    live.session.ended()
    throw error
  }
  if (association.closed) return await leaveNothing(options, live, correlationId)
  const replaced = options.devices.signIn(live)
  if (replaced !== undefined) {
    options.log.info({ ...logFieldsOf(replaced.association), by: association.id }, 'association replaced')
    replaced.association.close()
  }
  options.log.info({ ...logFieldsOf(association), correlationId, expiresIn: inSeconds(lasts) }, 'device signed in')
  return { live, response: answer(request, '2.04', { expiresin: Math.floor(lasts / 1000) }) }
}

/** The device went while it was signing in; it may be signed in over another association since. */
async function leaveNothing(options: SessionOptions, live: LiveDevice, correlationId: string): Promise<never> {
  live.session.ended()
  await options.presence.goesOffline(live, 'association-closed', correlationId)
  const newer = options.devices.signedInAs(live.association.identity.deviceId)
  // The late declaration has replaced that of the newer one.
  if (newer !== undefined) await options.presence.comesOnline(newer, correlationId)
  throw new CodedError('association-closed', 'The association ended before the device was signed in.')
}

/** @returns how long the device may be silent, and whether it has not signed in with this credential yet. */
async function assertMaySignIn(
  options: SessionOptions,
  { association }: DeviceRequest,
): Promise<{ readonly expectedInterval: LiveDevice['expectedInterval']; readonly isFirst: boolean }> {
  const { identity } = association
  if (identity.certificateNotAfter !== undefined && identity.certificateNotAfter <= options.clock.now()) {
    throw new CodedError('device-token-invalid', 'The certificate has expired; renew it.')
  }
  const [{ withdrawn, state }, device] = await Promise.all([
    recordedNow(options, identity),
    options.store.devices.readForGateway(identity.deviceId),
  ])
  if (withdrawn !== undefined) {
    throw new CodedError(withdrawn, 'What this association was opened with is not live any more.')
  }
  if (device === undefined || !device.registered) {
    throw new CodedError('device-not-registered', 'Sign up at /oic/sec/account first.')
  }
  return { expectedInterval: device.expectedInterval, isFirst: state === 'issued' }
}

async function recordedNow(
  { store }: SessionOptions,
  identity: DeviceIdentity,
): Promise<{ readonly withdrawn: ErrorCode | undefined; readonly state: string | undefined }> {
  const { deviceId } = identity
  if (identity.certificateSha256 === undefined) {
    const psk = await store.psks.findRecorded(identity.pskIdentitySha256)
    return { withdrawn: withdrawnPskCode(psk, deviceId), state: psk?.state }
  }
  const certificate = await store.certificates.findRecorded(identity.certificateSha256)
  return { withdrawn: withdrawnCode(certificate, deviceId), state: certificate?.state }
}

async function markSignedIn({ store }: SessionOptions, { association, correlationId }: DeviceRequest): Promise<void> {
  const { identity } = association
  const act = actOf(association, correlationId)
  if (identity.certificateSha256 === undefined) await store.psks.markSignedIn(identity.pskIdentitySha256, act)
  else await store.certificates.markSignedIn(identity.certificateSha256, act)
}

/** A pre-shared key has no end of its own. */
const endOfSession = (token: DeviceToken, { certificateNotAfter }: DeviceIdentity): Instant =>
  Math.min(token.expiresAt, certificateNotAfter ?? token.expiresAt) as Instant

async function signOut(options: SessionOptions, request: DeviceRequest, body: ValueRecord): Promise<CoapResponse> {
  const { association, correlationId } = request
  const live = options.devices.of(association)
  const deviceId = optionalTextAt(body, 'di')
  if (deviceId !== undefined) assertOwnDevice(deviceId, association.identity)
  if (!live.session.ended()) throw new CodedError('device-not-signed-in', 'The device is not signed in.')
  options.devices.signOut(live)
  options.onSignedOut(live)
  await options.presence.goesOffline(live, 'signed-out', correlationId)
  options.log.info({ ...logFieldsOf(association), correlationId }, 'device signed out')
  return answer(request, '2.04', {})
}
