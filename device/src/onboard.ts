/** The device's session at the gateway: sign up (once, with the onboarding code), sign in, refresh tokens, sign out. */

import { type Clock, later, seconds } from '@sallyport/clock'
import { isCodedError } from '@sallyport/errors'
import { asRecord, optionalIntegerAt, textAt, type Value } from '@sallyport/representation'
import type { CoapLink } from './coap-link.ts'
import { DeviceFailure, type Step } from './device-failure.ts'
import type { CloudConfiguration, DeviceTokens } from './device-state.ts'

/** Redeems the onboarding code. @throws DeviceFailure of step `sign-up`. */
export async function signUp(link: CoapLink, cloud: CloudConfiguration, clock: Clock): Promise<DeviceTokens> {
  if (cloud.onboardingCode === undefined) {
    throw new DeviceFailure('sign-up', 'sign-up: the onboarding code is used up; provision again', {
      errorCode: 'onboarding-code-invalid',
    })
  }
  const answer = await link.call('sign-up', {
    method: 'POST',
    path: '/oic/sec/account',
    body: {
      di: cloud.deviceId,
      accesstoken: cloud.onboardingCode,
      authprovider: cloud.authProvider,
      devicetype: 'device',
    },
  })
  return readAs('sign-up', () => {
    const fields = asRecord(answer, 'the answer')
    return {
      deviceId: cloud.deviceId,
      uid: textAt(fields, 'uid'),
      accessToken: textAt(fields, 'accesstoken'),
      refreshToken: textAt(fields, 'refreshtoken'),
      ...expiryOf(answer, clock),
    }
  })
}

/** @returns until when the session lasts, undefined for ever. @throws DeviceFailure of step `sign-in`. */
export async function signIn(
  link: CoapLink,
  tokens: DeviceTokens,
  clock: Clock,
): Promise<Pick<DeviceTokens, 'expiresAt'>> {
  const answer = await link.call('sign-in', {
    method: 'POST',
    path: '/oic/sec/session',
    body: { di: tokens.deviceId, uid: tokens.uid, accesstoken: tokens.accessToken, login: true },
  })
  return readAs('sign-in', () => expiryOf(answer, clock))
}

/** New tokens for the refresh token. @throws DeviceFailure of step `token-refresh`. */
export async function refreshTokens(link: CoapLink, tokens: DeviceTokens, clock: Clock): Promise<DeviceTokens> {
  const answer = await link.call('token-refresh', {
    method: 'POST',
    path: '/oic/sec/tokenrefresh',
    body: {
      di: tokens.deviceId,
      uid: tokens.uid,
      refreshtoken: tokens.refreshToken,
      granttype: 'refresh_token',
    },
  })
  return readAs('token-refresh', () => {
    const fields = asRecord(answer, 'the answer')
    return {
      deviceId: tokens.deviceId,
      uid: tokens.uid,
      accessToken: textAt(fields, 'accesstoken'),
      refreshToken: textAt(fields, 'refreshtoken'),
      ...expiryOf(answer, clock),
    }
  })
}

/** @throws DeviceFailure of step `sign-out`. */
export async function signOut(link: CoapLink, tokens: DeviceTokens): Promise<void> {
  await link.call('sign-out', {
    method: 'POST',
    path: '/oic/sec/session',
    body: { di: tokens.deviceId, uid: tokens.uid, accesstoken: tokens.accessToken, login: false },
    timeout: seconds(4),
  })
}

/** `expiresin` counts seconds; −1 means never. */
function expiryOf(answer: Value, clock: Clock): Pick<DeviceTokens, 'expiresAt'> {
  const expiresIn = optionalIntegerAt(asRecord(answer, 'the answer'), 'expiresin')
  if (expiresIn === undefined || expiresIn < 0) return {}
  return { expiresAt: later(clock.now(), seconds(expiresIn)) }
}

function readAs<T>(step: Step, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!isCodedError(error)) throw error
    throw new DeviceFailure(step, `${step}: ${error.message}`, { errorCode: 'malformed-answer' })
  }
}
