/** POST /api/v1/notifications/read: all of them, or all up to the time of the newest that the caller has seen. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf } from '../../caller.ts'
import { readTime, Time } from '../../presented-time.ts'
import { notifiedPerson } from './notification-view.ts'

export function registerMarkNotificationsRead(server: HttpServer, { store }: ApiPorts): void {
  server.post(
    '/api/v1/notifications/read',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'markNotificationsRead',
        summary: 'Mark all notifications as read',
        tags: ['notifications'],
        querystring: Type.Object(
          { until: Type.Optional({ ...Time, description: 'Those created later stay unread: nobody has seen them.' }) },
          { additionalProperties: false },
        ),
        response: { 200: Type.Object({ marked: Type.Integer() }) },
      },
    },
    async (request) => {
      const { until } = request.query
      const at = until === undefined ? undefined : readTime(until)
      return { marked: await store.personNotifications.markAllRead(notifiedPerson(request), at, actOf(request)) }
    },
  )
}
