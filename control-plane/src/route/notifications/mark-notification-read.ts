/** POST /api/v1/notifications/{notificationId}/read */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf } from '../../caller.ts'
import { notifiedPerson } from './notification-view.ts'

export function registerMarkNotificationRead(server: HttpServer, { store }: ApiPorts): void {
  server.post(
    '/api/v1/notifications/:notificationId/read',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'markNotificationRead',
        summary: 'Mark a notification as read',
        description: 'Again changes nothing.',
        tags: ['notifications'],
        params: Type.Object({ notificationId: Type.String({ format: 'uuid' }) }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await store.personNotifications.markRead(notifiedPerson(request), request.params.notificationId, actOf(request))
      return reply.code(204).send(null)
    },
  )
}
