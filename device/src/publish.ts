/** Publishes the device's links in the gateway's resource directory (`/oic/rd`). */

import type { CoapLink } from './coap-link.ts'
import type { DeviceResource } from './resource/device-resource.ts'
import { linksOf } from './resource-links.ts'

/** @throws DeviceFailure of step `publish`. */
export async function publish(link: CoapLink, deviceId: string, resources: readonly DeviceResource[]): Promise<void> {
  await link.call('publish', {
    method: 'POST',
    path: '/oic/rd',
    query: 'rt=oic.wk.rdpub',
    body: { di: deviceId, n: 'Sallyport device', ttl: 0, links: linksOf(deviceId, resources) },
  })
}
