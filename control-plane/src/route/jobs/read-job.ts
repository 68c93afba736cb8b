/** GET /api/v1/jobs/{jobId} */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { found } from '../../found.ts'
import { JobView, presentJob } from './job-view.ts'

export function registerReadJob(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/jobs/:jobId',
    {
      config: { access: requires('jobs:read') },
      schema: {
        operationId: 'readJob',
        summary: 'One job',
        tags: ['jobs'],
        params: Type.Object({ jobId: Type.String({ format: 'uuid' }) }),
        response: { 200: JobView },
      },
    },
    async (request) => presentJob(found(await store.jobs.read(callerOf(request).organizationId, request.params.jobId))),
  )
}
