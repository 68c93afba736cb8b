/** GET /api/v1/provisioning-records */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { ProvisioningRecordView, presentProvisioningRecord } from './provisioning-record-view.ts'

export function registerListProvisioningRecords(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/provisioning-records',
    {
      config: { access: requires('provisioning:read') },
      schema: {
        operationId: 'listProvisioningRecords',
        summary: 'How devices came, step by step',
        tags: ['enrollment'],
        querystring: Type.Object(
          {
            ...pageQuery,
            deviceId: Type.Optional(Type.String({ format: 'uuid' })),
            groupId: Type.Optional(Type.String({ format: 'uuid' })),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf(ProvisioningRecordView) },
      },
    },
    async (request) =>
      presentPage(
        await store.provisioning.list(callerOf(request).organizationId, { limit: defaultLimit, ...request.query }),
        presentProvisioningRecord,
      ),
  )
}
