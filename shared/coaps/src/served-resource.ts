/** A declared resource as the endpoint sees it, and the list of them all at `/.well-known/core` (RFC 6690). */

import type { CoapMethod, ResourceTraits, WebLink } from '@sallyport/coap'
import { contentFormats, encodeLinks, ResourceRouter } from '@sallyport/coap'
import type { CoapResource } from './coap-resource.ts'

export interface ServedResource<Identity> extends ResourceTraits {
  readonly declared: CoapResource<Identity>
}

const defaultMaxRequestBytes = 65_536
const discoveryPath = '/.well-known/core'

/** @throws RangeError for a path that is no pattern or stands twice */
export function routerOf<Identity>(
  resources: readonly CoapResource<Identity>[],
): ResourceRouter<ServedResource<Identity>> {
  const router = new ResourceRouter<ServedResource<Identity>>()
  for (const resource of [...resources, discoveryOf(resources)]) router.add(resource.path, served(resource))
  return router
}

const served = <Identity>(declared: CoapResource<Identity>): ServedResource<Identity> => ({
  declared,
  methods: new Set(Object.keys(declared.handlers) as CoapMethod[]),
  maxRequestBytes: declared.maxRequestBytes ?? defaultMaxRequestBytes,
  observable: declared.observe !== undefined,
  receives: declared.receives ?? 'whole',
  conditional: declared.conditional ?? false,
  freshWithin: declared.freshWithin,
})

function discoveryOf<Identity>(resources: readonly CoapResource<Identity>[]): CoapResource<Identity> {
  const links: WebLink[] = resources
    .filter((resource) => resource.attributes !== undefined)
    .map((resource) => ({ path: resource.path, observable: resource.observe !== undefined, ...resource.attributes }))
  return {
    path: discoveryPath,
    maxRequestBytes: 0,
    handlers: {
      GET: (request) => ({
        code: '2.05',
        payload: encodeLinks(links, request.query),
        contentFormat: contentFormats['application/link-format'],
      }),
    },
  }
}
