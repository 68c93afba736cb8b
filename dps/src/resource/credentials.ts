/**
 * `POST …/credentials`: the device's identity certificate for its own key, and the two roots it is to trust
 * (OCF oic.sec.cred): that of the identities, and that of the installation, which gateway and dps hang under.
 */

import type { CoapResource } from '@sallyport/coaps'
import { CodedError } from '@sallyport/errors'
import { type Certificate, certificateToPem } from '@sallyport/pki'
import type { ValueRecord } from '@sallyport/representation'
import { readIdentityRequest } from '../identity-request.ts'
import type { IdentityIssuer } from '../issuance.ts'
import { answer, answerFormat, bodyOf, maxProvisioningRequestBytes, payloadFormats } from '../payload-format.ts'
import { type DpsPeer, manufacturerSpkiSha256Of } from '../peer.ts'
import { actOf, type ProvisioningRecords } from '../provisioning-record.ts'

export interface TrustedRoots {
  /** From the issuing authority up to its root, the root last. */
  readonly identityChain: readonly Certificate[]
  readonly installationRoot: Certificate
}

export function credentialsResource(
  records: ProvisioningRecords,
  issuer: IdentityIssuer,
  roots: TrustedRoots,
): CoapResource<DpsPeer> {
  return {
    path: '/api/v1/provisioning/credentials',
    attributes: { ct: payloadFormats },
    maxRequestBytes: maxProvisioningRequestBytes,
    handlers: {
      POST: records.step('credentials', async (request) => {
        const format = answerFormat(request)
        const order = readIdentityRequest(bodyOf(request))
        const peer = request.association.identity
        if (peer.kind === 'identity' && peer.deviceId !== order.deviceId) {
          throw new CodedError(
            'device-id-mismatch',
            `the certificate names ${peer.deviceId}, the request ${order.deviceId}`,
          )
        }
        await records.claimDevice(request, order.deviceId, manufacturerSpkiSha256Of(peer))
        const certificate = await issuer.issue({ ...order, recordId: peer.recordId }, actOf(request))
        return answer('2.04', format, {
          creds: credentials(certificate, order.deviceId, peer.group.organizationId, roots),
        })
      }),
    },
  }
}

/** OCF numbers of the credential type and names of its use (oic.sec.cred). */
const asymmetricSigningWithCertificate = 8
const encodingPem = 'oic.sec.encoding.pem'

export function credentials(
  certificate: Certificate,
  deviceId: string,
  ownerId: string,
  roots: TrustedRoots,
): readonly ValueRecord[] {
  const chain = [certificate, ...roots.identityChain.slice(0, -1)]
  const identityRoot = roots.identityChain[roots.identityChain.length - 1] as Certificate
  return [
    credential('oic.sec.cred.cert', deviceId, chain),
    credential('oic.sec.cred.trustca', ownerId, [identityRoot]),
    credential('oic.sec.cred.trustca', ownerId, [roots.installationRoot]),
  ]
}

const credential = (usage: string, subject: string, certificates: readonly Certificate[]): ValueRecord => ({
  credtype: asymmetricSigningWithCertificate,
  credusage: usage,
  subjectuuid: subject,
  publicdata: {
    data: certificates.map((certificate) => certificateToPem(certificate.der)).join(''),
    encoding: encodingPem,
  },
  tag: 'dps',
})
