/**
 * `GET …/acls`: who may do what at the device (OCF oic.sec.acl2). Its owner everything, the hub everything but the
 * security resources, and anyone without a connection's protection may only see that the device is there.
 */

import type { CoapResource } from '@sallyport/coaps'
import type { Value, ValueRecord } from '@sallyport/representation'
import { answer, answerFormat, payloadFormats } from '../payload-format.ts'
import type { DpsPeer } from '../peer.ts'
import type { ProvisioningRecords } from '../provisioning-record.ts'

export function aclsResource(
  records: ProvisioningRecords,
  sources: { hubId(): Promise<string> },
): CoapResource<DpsPeer> {
  return {
    path: '/api/v1/provisioning/acls',
    attributes: { ct: payloadFormats },
    handlers: {
      GET: records.step('acls', async (request) => {
        const format = answerFormat(request)
        const ownerId = request.association.identity.group.organizationId
        return answer('2.05', format, { aclist2: accessControlEntries(ownerId, await sources.hubId()) })
      }),
    },
  }
}

/** Bits of an entry's `permission`. */
const permission = { create: 1, retrieve: 2, update: 4, delete: 8, notify: 16 } as const
const everything = permission.create | permission.retrieve | permission.update | permission.delete | permission.notify

const resource = (href: string): ValueRecord => ({ href, if: ['*'] })

/** Configuration, software update, maintenance, time; and by wildcard all that is not configuration. */
const hubResources: readonly Value[] = [
  ...['/oc/con', '/oc/swu', '/oic/mnt', '/x.plgd.dev/time'].map(resource),
  { wc: '*', if: ['*'] },
]
const ownerResources: readonly Value[] = [
  ...['/CoapCloudConfResURI', '/oic/sec/sp', '/x.plgd.dev/time'].map(resource),
  ...hubResources,
]
const discoverableResources: readonly Value[] = ['/oic/d', '/oic/p', '/oic/res', '/oic/sec/sdi', '/oic/sec/doxm'].map(
  resource,
)

export const accessControlEntries = (ownerId: string, hubId: string): readonly ValueRecord[] => [
  { permission: everything, subject: { uuid: ownerId }, resources: ownerResources, tag: 'dps' },
  {
    permission: permission.retrieve,
    subject: { conntype: 'anon-clear' },
    resources: discoverableResources,
    tag: 'dps',
  },
  { permission: everything, subject: { uuid: hubId }, resources: hubResources, tag: 'dps' },
]
