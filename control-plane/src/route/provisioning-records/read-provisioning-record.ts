/** GET /api/v1/provisioning-records/{recordId} */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { found } from '../../found.ts'
import { ProvisioningRecordView, presentProvisioningRecord } from './provisioning-record-view.ts'

export function registerReadProvisioningRecord(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/provisioning-records/:recordId',
    {
      config: { access: requires('provisioning:read') },
      schema: {
        operationId: 'readProvisioningRecord',
        summary: 'How a device came',
        tags: ['enrollment'],
        params: Type.Object({ recordId: Type.String({ format: 'uuid' }) }),
        response: { 200: ProvisioningRecordView },
      },
    },
    async (request) => {
      const { organizationId } = callerOf(request)
      return presentProvisioningRecord(found(await store.provisioning.read(organizationId, request.params.recordId)))
    },
  )
}
