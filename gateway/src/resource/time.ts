/** GET /x.plgd.dev/time: the time, for devices without a clock of their own. Open to anyone with an association. */

import { type Clock, toRfc3339 } from '@sallyport/clock'
import type { DeviceResource } from '../device-request.ts'
import { answer } from '../message-body.ts'

export function timeResource({ clock }: { readonly clock: Clock }): DeviceResource {
  return {
    path: '/x.plgd.dev/time',
    attributes: { rt: 'x.plgd.dev.time', ct: [10000, 60, 50] },
    handlers: { GET: (request) => answer(request, '2.05', { time: toRfc3339(clock.now()) }) },
  }
}
