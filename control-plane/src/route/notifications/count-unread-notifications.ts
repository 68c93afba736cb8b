/** GET /api/v1/notifications/unread-count */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { notifiedPerson } from './notification-view.ts'

export function registerCountUnreadNotifications(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/notifications/unread-count',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'countUnreadNotifications',
        summary: 'How many notifications the caller has not read',
        tags: ['notifications'],
        response: { 200: Type.Object({ count: Type.Integer() }) },
      },
    },
    async (request) => ({ count: await store.personNotifications.countUnread(notifiedPerson(request)) }),
  )
}
