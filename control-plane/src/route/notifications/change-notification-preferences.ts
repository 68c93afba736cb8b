/** PATCH /api/v1/notification-preferences: the kinds that are named change, the others stay. */

import { Type } from '@fastify/type-provider-typebox'
import { type HttpServer, signedInAccess } from '@sallyport/http'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf } from '../../caller.ts'
import {
  GivenPreference,
  NotificationPreferencesView,
  notifiedPerson,
  presentPreferences,
} from './notification-view.ts'

export function registerChangeNotificationPreferences(server: HttpServer, { store }: ApiPorts): void {
  server.patch(
    '/api/v1/notification-preferences',
    {
      config: { access: signedInAccess },
      schema: {
        operationId: 'changeNotificationPreferences',
        summary: 'Say by which ways to be told of what',
        tags: ['notifications'],
        body: Type.Object(
          { items: Type.Array(GivenPreference, { minItems: 1, maxItems: 50 }) },
          { additionalProperties: false },
        ),
        response: { 200: NotificationPreferencesView },
      },
    },
    async (request) =>
      presentPreferences(
        await store.personNotifications.prefer(notifiedPerson(request), request.body.items, actOf(request)),
      ),
  )
}
