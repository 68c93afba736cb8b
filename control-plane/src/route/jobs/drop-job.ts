/** DELETE /api/v1/jobs/{jobId}: it will not be done. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'

export function registerDropJob(server: HttpServer, { store }: ApiPorts): void {
  server.delete(
    '/api/v1/jobs/:jobId',
    {
      config: { access: requires('jobs:write') },
      schema: {
        operationId: 'dropJob',
        summary: 'Drop a job that has not been done',
        description: 'One that is running or finished is 409.',
        tags: ['jobs'],
        params: Type.Object({ jobId: Type.String({ format: 'uuid' }) }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await store.jobs.drop(callerOf(request).organizationId, request.params.jobId, actOf(request))
      return reply.code(204).send(null)
    },
  )
}
