/** GET /api/v1/notification-preferences */

import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { NotificationPreferencesView, notifiedPerson, presentPreferences } from './notification-view.ts'

export function registerReadNotificationPreferences(server: HttpServer, { store }: ApiPorts): void {
  server.get(
    '/api/v1/notification-preferences',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'readNotificationPreferences',
        summary: 'By which ways the caller is told of what',
        tags: ['notifications'],
        response: { 200: NotificationPreferencesView },
      },
    },
    async (request) => presentPreferences(await store.personNotifications.preferences(notifiedPerson(request))),
  )
}
