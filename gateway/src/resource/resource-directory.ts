/**
 * /oic/rd, the resource directory: publish (POST), take back (DELETE), and the keep-alive of stock devices (GET).
 *
 * What is published is observed or read at once, so that the twin shows what the device has, not only that it has it.
 */

import type { CoapResponse } from '@sallyport/coaps'
import type { Logger } from '@sallyport/diagnostics'
import { CodedError } from '@sallyport/errors'
import type { Value } from '@sallyport/representation'
import type { ResourceLink, Store } from '@sallyport/store'
import { assertOwnDevice } from '../device-id.ts'
import {
  actOf,
  type DeviceAssociation,
  type DeviceRequest,
  type DeviceResource,
  logFieldsOf,
} from '../device-request.ts'
import { answer, requestBody } from '../message-body.ts'
import { publicationIn } from '../published-links.ts'
import { resourceInstance } from '../resource-instance.ts'
import type { TwinObserver } from '../twin-observer.ts'

export interface ResourceDirectoryOptions {
  readonly store: { readonly resources: Pick<Store['resources'], 'publish' | 'unpublish' | 'links'> }
  readonly twin: Pick<TwinObserver, 'watch' | 'unwatch'>
  /** The device is answered when it resolves. */
  readonly onPublished: (association: DeviceAssociation) => Promise<void>
  readonly log: Logger
}

export function resourceDirectoryResource(options: ResourceDirectoryOptions): DeviceResource {
  return {
    path: '/oic/rd',
    attributes: { rt: 'oic.wk.rd', ct: [10000, 60, 50] },
    handlers: {
      GET: (request) => answer(request, '2.05', { sel: 0 }),
      POST: (request) => publish(options, request),
      DELETE: (request) => unpublish(options, request),
    },
  }
}

async function publish(options: ResourceDirectoryOptions, request: DeviceRequest): Promise<CoapResponse> {
  const { association, correlationId } = request
  const { identity } = association
  const body = requestBody(request)
  const { links, timeToLive } = publicationIn(body, identity)
  await options.store.resources.publish(identity.deviceId, links, timeToLive, actOf(association, correlationId))
  options.log.info({ ...logFieldsOf(association), correlationId, links: links.length }, 'resources published')
  const { promise: isAnswered, resolve: answered } = Promise.withResolvers<void>()
  void options.twin.watch(association, links, isAnswered)
  await options.onPublished(association)
  // The device answers our questions once it has its answer: they must not wait for each other.
  setImmediate(answered)
  return answer(request, '2.04', {
    di: identity.deviceId,
    ttl: timeToLive,
    links: links.map((link) => publishedLink(identity.deviceId, link)),
  })
}

function publishedLink(deviceId: string, link: ResourceLink): Value {
  return {
    href: link.href,
    rt: [...link.rt],
    if: [...link.if],
    ...(link.rel === undefined ? {} : { rel: link.rel }),
    ...(link.p === undefined ? {} : { p: { bm: link.p.bm } }),
    anchor: `ocf://${deviceId}`,
    ins: resourceInstance(deviceId, link.href),
  }
}

async function unpublish(options: ResourceDirectoryOptions, request: DeviceRequest): Promise<CoapResponse> {
  const { association, correlationId } = request
  const { deviceId } = association.identity
  for (const { value } of request.query.filter(({ name }) => name === 'di'))
    assertOwnDevice(value, association.identity)
  const instances = request.query.filter(({ name }) => name === 'ins').map(({ value }) => Number(value))
  const published = await options.store.resources.links(undefined, deviceId)
  const hrefs = published
    .map((link) => link.href)
    .filter((href) => instances.length === 0 || instances.includes(resourceInstance(deviceId, href)))
  if (hrefs.length === 0) throw new CodedError('validation-failed', 'Nothing of that is published.')
  options.twin.unwatch(association, hrefs)
  await options.store.resources.unpublish(deviceId, hrefs, actOf(association, correlationId))
  options.log.info({ ...logFieldsOf(association), correlationId, links: hrefs.length }, 'resources taken back')
  return { code: '2.02' }
}
