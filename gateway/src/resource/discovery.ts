/**
 * GET /oic/res: what is published, as links that lead through the gateway.
 *
 * A device sees its own resources. That a device sees and uses those of its owner's other devices, as plgd's hub lets it, is not
 * offered: a stolen device would reach all of them.
 */

import type { CoapResponse } from '@sallyport/coaps'
import type { Value } from '@sallyport/representation'
import type { ResourceLink, Store } from '@sallyport/store'
import type { DeviceRequest, DeviceResource } from '../device-request.ts'
import { answer } from '../message-body.ts'
import { resourceInstance } from '../resource-instance.ts'

export interface DiscoveryOptions {
  readonly store: { readonly resources: Pick<Store['resources'], 'links'> }
  /** The addresses of this gateway, as devices know them. */
  readonly endpoints: () => readonly string[]
}

const ocfCbor = 10000

export function discoveryResource(options: DiscoveryOptions): DeviceResource {
  return {
    path: '/oic/res',
    attributes: { rt: 'oic.wk.res', ct: [ocfCbor, 60, 50] },
    handlers: { GET: (request) => discover(options, request) },
  }
}

async function discover(options: DiscoveryOptions, request: DeviceRequest): Promise<CoapResponse> {
  const { deviceId, organizationId } = request.association.identity
  const asked = (name: string): readonly string[] =>
    request.query.filter((item) => item.name === name).map((item) => item.value)
  const devices = asked('di')
  const types = asked('rt')
  const own = devices.length === 0 || devices.some((id) => id.toLowerCase() === deviceId)
  const published = own ? await options.store.resources.links(organizationId, deviceId) : []
  const links = published
    .filter((link) => types.length === 0 || types.some((type) => link.rt.includes(type)))
    .map((link) => linkThroughGateway(deviceId, link, options.endpoints()))
  // OCF 1.3: a flat array in OCF CBOR, one entry per device in plain CBOR.
  const flat = (request.accept ?? ocfCbor) === ocfCbor
  return answer(request, '2.05', flat ? links : links.length === 0 ? [] : [{ di: deviceId, links }])
}

function linkThroughGateway(deviceId: string, link: ResourceLink, endpoints: readonly string[]): Value {
  return {
    anchor: `ocf://${deviceId}`,
    href: `/api/v1/devices/${deviceId}${link.href}`,
    rt: [...link.rt],
    if: [...link.if],
    ...(link.p === undefined ? {} : { p: { bm: link.p.bm } }),
    ins: resourceInstance(deviceId, link.href),
    eps: endpoints.map((ep) => ({ ep })),
  }
}
