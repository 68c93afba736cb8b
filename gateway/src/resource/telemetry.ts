/** POST /api/v1/telemetry: measurements, as SenML or as a plain map; 2.04 says that they are committed. */

import type { Clock } from '@sallyport/clock'
import type { AssociationMark, TelemetryRow } from '@sallyport/store'
import type { DeviceRequest, DeviceResource } from '../device-request.ts'
import type { TelemetryBatch } from '../telemetry-batch.ts'
import { telemetryRows } from '../telemetry-rows.ts'

export const telemetryPath = '/api/v1/telemetry'

export function telemetryResource(options: {
  readonly batch: Pick<TelemetryBatch<TelemetryRow>, 'add'>
  readonly clock: Clock
  /** Of the record that completed the request: committed with the measurements, not before (see `record-marks.ts`). */
  readonly markOf: (request: DeviceRequest) => AssociationMark | undefined
}): DeviceResource {
  return {
    path: telemetryPath,
    attributes: { rt: 'sallyport.telemetry', ct: [112, 110, 60, 50] },
    handlers: {
      async POST(request) {
        const { association, contentFormat, payload } = request
        const rows = telemetryRows(association.identity, contentFormat, payload, options.clock.now())
        await options.batch.add(rows, options.markOf(request))
        return { code: '2.04' }
      },
    },
  }
}
