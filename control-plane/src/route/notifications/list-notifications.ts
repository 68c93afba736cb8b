/** GET /api/v1/notifications: what the caller has been told of, the newest first. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { defaultLimit, pageOf, pageQuery, presentPage } from '../../page.ts'
import { NotificationView, notifiedPerson, presentNotification } from './notification-view.ts'

export function registerListNotifications(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/notifications',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'listNotifications',
        summary: "The caller's notifications",
        description: 'They are kept for 90 days. New ones come over the live feed as `notification.created`.',
        tags: ['notifications'],
        querystring: Type.Object(
          {
            ...pageQuery,
            unread: Type.Optional(Type.Boolean({ description: 'Only unread ones, or only read ones.' })),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf(NotificationView) },
      },
    },
    async (request) => {
      const page = await store.personNotifications.list(notifiedPerson(request), {
        limit: defaultLimit,
        ...request.query,
      })
      return presentPage(page, presentNotification)
    },
  )
}
