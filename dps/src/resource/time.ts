/** `GET /x.plgd.dev/time`: the installation's time, the first thing that a device without a clock needs. */

import { type Clock, toRfc3339 } from '@sallyport/clock'
import type { CoapResource } from '@sallyport/coaps'
import { answer, answerFormat, payloadFormats } from '../payload-format.ts'
import type { DpsPeer } from '../peer.ts'
import type { ProvisioningRecords } from '../provisioning-record.ts'

export function timeResource(records: ProvisioningRecords, clock: Clock): CoapResource<DpsPeer> {
  return {
    path: '/x.plgd.dev/time',
    attributes: { rt: 'x.plgd.dev.time', ct: payloadFormats },
    handlers: {
      GET: records.step('time', (request) => answer('2.05', answerFormat(request), { time: toRfc3339(clock.now()) })),
    },
  }
}
