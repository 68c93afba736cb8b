/** The links of the device's resources, as /oic/rd and /oic/res carry them (OCF core, section 11). */

import type { Value, ValueRecord } from '@sallyport/representation'
import type { DeviceResource } from './resource/device-resource.ts'

/** Policy bits: discoverable (1) and observable (2). */
const discoverableAndObservable = 3

export function linksOf(deviceId: string, resources: readonly DeviceResource[]): readonly Value[] {
  return resources.map(({ description }, index): ValueRecord => {
    return {
      anchor: `ocf://${deviceId}`,
      href: description.href,
      rt: description.types,
      if: description.interfaces,
      rel: 'hosts',
      ins: index + 1,
      p: { bm: discoverableAndObservable },
    }
  })
}
