/**
 * GET /api/v1/devices/{deviceId}/{href}: where the links of /oic/res lead. Gives what the twin holds of the device's own resource.
 * Another device's resource is not there for it.
 */

import { CodedError } from '@sallyport/errors'
import type { Store } from '@sallyport/store'
import type { DeviceResource } from '../device-request.ts'
import { answer } from '../message-body.ts'

export function deviceTwinResource(options: {
  readonly store: { readonly resources: Pick<Store['resources'], 'twin'> }
}): DeviceResource {
  return {
    path: '/api/v1/devices/{deviceId}/{href*}',
    handlers: {
      async GET(request) {
        const { deviceId, organizationId } = request.association.identity
        const { deviceId: asked = '', href = '' } = request.parameters
        const path = `/${href.replace(/^\//, '')}`
        const twin =
          asked.toLowerCase() === deviceId ? await options.store.resources.twin(organizationId, deviceId, path) : []
        const [resource] = twin
        if (resource === undefined) throw new CodedError('not-found', 'There is no such resource of this device.')
        return answer(request, '2.05', resource.representation)
      },
    },
  }
}
