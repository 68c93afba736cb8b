/** GET /api/v1/audit-events: who did what in the organization, the newest first. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, requires } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { callerOf } from '../../caller.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { readTime, Time } from '../../presented-time.ts'
import { AuditEventView, presentAuditEvent } from './audit-event-view.ts'

export function registerListAuditEvents(server: HttpServer, { store, auditOpening }: ApiPorts): void {
  server.get(
    '/api/v1/audit-events',
    {
      config: { access: requires('audit:read') },
      schema: {
        operationId: 'listAuditEvents',
        summary: 'The audit trail',
        tags: ['audit'],
        querystring: Type.Object(
          {
            ...pageQuery,
            type: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
            actorId: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
            subjectId: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
            correlationId: Type.Optional(Type.String({ format: 'uuid' })),
            outcome: Type.Optional(Type.Union([Type.Literal('succeeded'), Type.Literal('failed')])),
            from: Type.Optional(Time),
            to: Type.Optional(Time),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf(AuditEventView) },
      },
    },
    async (request) => {
      const { from, to, ...filters } = request.query
      const { organizationId } = callerOf(request)
      const page = await store.auditEvents.list(organizationId, {
        limit: defaultLimit,
        ...filters,
        ...(from === undefined ? {} : { from: readTime(from) }),
        ...(to === undefined ? {} : { to: readTime(to) }),
      })
      const items = await auditOpening.open(organizationId, page.items)
      return presentPage({ ...page, items }, presentAuditEvent)
    },
  )
}
