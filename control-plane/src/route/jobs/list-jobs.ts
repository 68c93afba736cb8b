/** GET /api/v1/jobs: what is to be done, what is dead, what was done of late; the newest first. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { JobStateView, JobView, presentJob } from './job-view.ts'

export function registerListJobs(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/jobs',
    {
      config: { access: requires('jobs:read') },
      schema: {
        operationId: 'listJobs',
        summary: 'Jobs, such as mails to be sent',
        description: 'Dead ones wait for somebody to retry or drop them, for 30 days; finished ones are shown for 7.',
        tags: ['jobs'],
        querystring: Type.Object({ ...pageQuery, state: Type.Optional(JobStateView) }, { additionalProperties: false }),
        response: { 200: pageOf(JobView) },
      },
    },
    async (request) => {
      const page = await store.jobs.list(callerOf(request).organizationId, { limit: defaultLimit, ...request.query })
      return presentPage(page, presentJob)
    },
  )
}
