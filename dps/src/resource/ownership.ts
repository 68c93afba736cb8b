/** `GET …/ownership`: who owns the device. Its organization does; a device refuses any property beside the owner's id. */

import type { CoapResource } from '@sallyport/coaps'
import { answer, answerFormat, payloadFormats } from '../payload-format.ts'
import type { DpsPeer } from '../peer.ts'
import type { ProvisioningRecords } from '../provisioning-record.ts'

export function ownershipResource(records: ProvisioningRecords): CoapResource<DpsPeer> {
  return {
    path: '/api/v1/provisioning/ownership',
    attributes: { ct: payloadFormats },
    handlers: {
      GET: records.step('ownership', (request) =>
        answer('2.05', answerFormat(request), {
          devowneruuid: request.association.identity.group.organizationId,
        }),
      ),
    },
  }
}
