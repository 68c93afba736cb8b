/** POST /api/v1/telemetry: measurements, as SenML or as a plain map; 2.04 says that they are committed. */

import type { Clock } from '@sallyport/clock'
import type { TelemetryRow } from '@sallyport/store'
import type { DeviceResource } from '../device-request.ts'
import type { TelemetryBatch } from '../telemetry-batch.ts'
import { telemetryRows } from '../telemetry-rows.ts'

export function telemetryResource(options: {
  readonly batch: Pick<TelemetryBatch<TelemetryRow>, 'add'>
  readonly clock: Clock
}): DeviceResource {
  return {
    path: '/api/v1/telemetry',
    attributes: { rt: 'sallyport.telemetry', ct: [112, 110, 60, 50] },
    handlers: {
      async POST({ association, contentFormat, payload }) {
        await options.batch.add(telemetryRows(association.identity, contentFormat, payload, options.clock.now()))
        return { code: '2.04' }
      },
    },
  }
}
