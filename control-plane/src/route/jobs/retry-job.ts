/** POST /api/v1/jobs/{jobId}/retry: a dead job is tried anew. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { JobView, presentJob } from './job-view.ts'

export function registerRetryJob(server: HttpServer, { store }: ApiPorts): void {
  server.post(
    '/api/v1/jobs/:jobId/retry',
    {
      config: { access: requires('jobs:write') },
      schema: {
        operationId: 'retryJob',
        summary: 'Retry a dead job',
        description: 'Once the reason for its failure is gone. A job that is not dead is 409.',
        tags: ['jobs'],
        params: Type.Object({ jobId: Type.String({ format: 'uuid' }) }),
        response: { 200: JobView },
      },
    },
    async (request) =>
      presentJob(await store.jobs.retry(callerOf(request).organizationId, request.params.jobId, actOf(request))),
  )
}
