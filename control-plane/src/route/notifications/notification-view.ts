/** Notifications and the preferences about them, as the person they belong to sees them. */

import { type Static, Type } from '@fastify/type-provider-typebox'
import { toRfc3339 } from '@sallyport/clock'
import {
  canBeMailed,
  type NotificationPreference,
  type NotificationRecord,
  type NotifiedPerson,
} from '@sallyport/store'
import type { FastifyRequest } from 'fastify'
import { callerOf } from '../../caller.ts'
import { presentTime, Time, TimeOrNull } from '../../presented-time.ts'

const NotificationKindView = Type.Union([
  Type.Literal('login-from-new-address'),
  Type.Literal('devices-offline'),
  Type.Literal('job-dead'),
])

export const NotificationView = Type.Object({
  id: Type.String({ format: 'uuid' }),
  kind: NotificationKindView,
  data: Type.Unknown({ description: 'By kind.' }),
  createdAt: Time,
  readAt: TimeOrNull,
})
export type NotificationView = Static<typeof NotificationView>

export const presentNotification = ({ id, kind, data, createdAt, readAt }: NotificationRecord): NotificationView => ({
  id,
  kind,
  data,
  createdAt: toRfc3339(createdAt),
  readAt: presentTime(readAt),
})

export const GivenPreference = Type.Object(
  { kind: NotificationKindView, inApp: Type.Boolean(), mail: Type.Boolean() },
  { additionalProperties: false },
)

export const NotificationPreferencesView = Type.Object({
  items: Type.Array(
    Type.Object({
      ...GivenPreference.properties,
      canBeMailed: Type.Boolean({ description: 'False: `mail` is false and stays so.' }),
    }),
  ),
})

export const presentPreferences = (
  preferences: readonly NotificationPreference[],
): Static<typeof NotificationPreferencesView> => ({
  items: preferences.map(({ kind, inApp, mail }) => ({ kind, inApp, mail, canBeMailed: canBeMailed(kind) })),
})

/** Whose notifications: the caller's own, and nobody else's. */
export function notifiedPerson(request: FastifyRequest): NotifiedPerson {
  const { organizationId, userId } = callerOf(request)
  return { organizationId, userId }
}
