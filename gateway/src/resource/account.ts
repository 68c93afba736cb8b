/**
 * /oic/sec/account: sign up (POST) and sign off (DELETE).
 *
 * Signing up exchanges the onboarding code of the dps for tokens at the control plane. The device is who its certificate says:
 * `di` must agree with it and decides nothing. Signing off deletes the device here, certificates and tokens included; it needs
 * a signed-in session or the token.
 */

import type { CoapResponse } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import { optionalTextAt, textAt } from '@sallyport/representation'
import type { Store } from '@sallyport/store'
import { assertOwnDevice } from '../device-id.ts'
import { actOf, type DeviceRequest, type DeviceResource, logFieldsOf } from '../device-request.ts'
import type { DeviceTokenVerifier } from '../device-token-verifier.ts'
import type { LiveDevices } from '../live-devices.ts'
import { answer, requestBody } from '../message-body.ts'
import type { TokenEndpoint } from '../token-endpoint.ts'

export interface AccountOptions {
  readonly endpoint: Pick<TokenEndpoint, 'redeemCode'>
  readonly tokens: Pick<DeviceTokenVerifier, 'verify' | 'forget'>
  readonly devices: LiveDevices
  readonly store: { readonly devices: Pick<Store['devices'], 'delete'> }
  readonly log: Logger
}

export function accountResource(options: AccountOptions): DeviceResource {
  return {
    path: '/oic/sec/account',
    attributes: { rt: 'oic.r.account', ct: [10000, 60, 50] },
    handlers: { POST: (request) => signUp(options, request), DELETE: (request) => signOff(options, request) },
  }
}

async function signUp(options: AccountOptions, request: DeviceRequest): Promise<CoapResponse> {
  const { association, correlationId } = request
  const body = requestBody(request)
  assertOwnDevice(textAt(body, 'di'), association.identity)
  optionalTextAt(body, 'authprovider')
  const code = optionalTextAt(body, 'accesstoken') ?? textAt(body, 'authcode')
  const tokens = await options.endpoint.redeemCode(code, association.identity, correlationId)
  options.devices.of(association).session.signedUp()
  options.log.info({ ...logFieldsOf(association), correlationId }, 'device signed up')
  return answer(request, '2.04', {
    accesstoken: tokens.accessToken,
    refreshtoken: tokens.refreshToken,
    uid: tokens.uid,
    expiresin: tokens.expiresIn,
    redirecturi: '',
  })
}

async function signOff(options: AccountOptions, request: DeviceRequest): Promise<CoapResponse> {
  const { association, correlationId } = request
  const live = options.devices.of(association)
  const given = (name: string): string | undefined => request.query.find((item) => item.name === name)?.value
  const deviceId = given('di')
  if (deviceId !== undefined) assertOwnDevice(deviceId, association.identity)
  if (live.session.state.phase !== 'signed-in') {
    const token = given('accesstoken')
    if (token === undefined) throw new CodedError('device-not-signed-in', 'Sign in, or send the access token.')
    await options.tokens.verify(token, association.identity)
  }
  const { organizationId, deviceId: ownId } = association.identity
  await options.store.devices.delete(organizationId, ownId, actOf(association, correlationId))
  options.tokens.forget(ownId)
  options.log.info({ ...logFieldsOf(association), correlationId }, 'device signed off')
  return { code: '2.02' }
}
