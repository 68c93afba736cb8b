/**
 * `POST …/cloud-configuration`: where the device signs up, and the code it signs up with.
 *
 * The code is fetched anew for each request; those handed out before stay good until they expire or one is redeemed.
 */

import type { CoapResource } from '@sallyport/coaps'
import { CodedError } from '@sallyport/errors'
import { asRecord, optionalTextAt, type ValueRecord } from '@sallyport/representation'
import { chooseGateway, type GatewayUris, urisFor } from '../gateway-choice.ts'
import { deviceIdIn } from '../identity-request.ts'
import type { OnboardingCodes } from '../onboarding-code.ts'
import { answer, answerFormat, bodyOf, maxProvisioningRequestBytes, payloadFormats } from '../payload-format.ts'
import { type DpsPeer, manufacturerSpkiSha256Of } from '../peer.ts'
import type { ProvisioningRecords } from '../provisioning-record.ts'

export interface CloudConfigurationSources {
  /** The hub's id: the common name of every gateway certificate. */
  hubId(): Promise<string>
  /** The gateways that are alive. */
  liveGateways(): Promise<readonly GatewayUris[]>
  readonly onboardingCodes: OnboardingCodes
}

export function cloudConfigurationResource(
  records: ProvisioningRecords,
  sources: CloudConfigurationSources,
): CoapResource<DpsPeer> {
  return {
    path: '/api/v1/provisioning/cloud-configuration',
    attributes: { ct: payloadFormats },
    maxRequestBytes: maxProvisioningRequestBytes,
    handlers: {
      POST: records.step('cloud-configuration', async (request) => {
        const format = answerFormat(request)
        const body = bodyOf(request)
        const peer = request.association.identity
        const deviceId = deviceIdIn(body)
        if (peer.kind === 'identity' && peer.deviceId !== deviceId) {
          throw new CodedError('device-id-mismatch', `the certificate names ${peer.deviceId}, the body ${deviceId}`)
        }
        await records.claimDevice(request, deviceId, manufacturerSpkiSha256Of(peer))
        const [hubId, gateways] = await Promise.all([sources.hubId(), sources.liveGateways()])
        const live = urisFor(gateways, request.association.transport)
        const selectable = gateways.flatMap(({ dtls, tls }) => [dtls, tls ?? []].flat())
        const gateway = chooseGateway(live, deviceId, selectedIn(body), selectable)
        const { recordId } = peer
        const { correlationId } = request
        const { code, providerName } = await sources.onboardingCodes({ deviceId, recordId, correlationId })
        return answer('2.04', format, cloudConfiguration({ hubId, gateway, live, code, providerName }))
      }),
    },
  }
}

function cloudConfiguration(o: {
  readonly hubId: string
  readonly gateway: string
  readonly live: readonly string[]
  readonly code: string
  readonly providerName: string
}): ValueRecord {
  const others = o.live.filter((uri) => uri !== o.gateway)
  return {
    apn: o.providerName,
    cis: o.gateway,
    sid: o.hubId,
    at: o.code,
    'x.org.iotivity.servers': [o.gateway, ...others].map((uri) => ({ id: o.hubId, uri })),
  }
}

const selectedIn = (body: ValueRecord): string | undefined =>
  body.selectedGateway === undefined
    ? undefined
    : optionalTextAt(asRecord(body.selectedGateway, "'selectedGateway'"), 'uri')
