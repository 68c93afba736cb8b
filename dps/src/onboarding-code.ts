/**
 * Onboarding codes: asked of the control plane over mutual TLS, one for each cloud configuration that is handed out.
 *
 * A code is single-use, lives for minutes, and is bound there to the device id and to the provisioning record, so that it
 * is worth nothing without an identity certificate issued in that record. It is a secret: never logged, never stored here.
 */

import { CodedError } from '@sallyport/errors'
import type { ServiceClient } from '@sallyport/http'

export interface OnboardingCode {
  readonly code: string
  /** What the device sends back as `authprovider`. */
  readonly providerName: string
}

export type OnboardingCodes = (order: {
  readonly deviceId: string
  readonly recordId: string
  readonly correlationId: string
}) => Promise<OnboardingCode>

/** The codes reject with CodedError `dependency-unavailable` when the control plane gives none. */
export function onboardingCodesFrom(controlPlane: Pick<ServiceClient, 'request'>): OnboardingCodes {
  return async ({ deviceId, recordId, correlationId }) => {
    const { body } = await controlPlane.request({
      method: 'POST',
      path: '/internal/v1/onboarding-codes',
      json: { deviceId, recordId },
      correlationId,
    })
    if (typeof body !== 'object' || body === null || !('code' in body) || !('providerName' in body))
      throw notUnderstood()
    const { code, providerName } = body
    if (typeof code !== 'string' || code === '' || typeof providerName !== 'string') throw notUnderstood()
    return { code, providerName }
  }
}

const notUnderstood = (): CodedError =>
  new CodedError('dependency-unavailable', 'the control plane gave no onboarding code')
