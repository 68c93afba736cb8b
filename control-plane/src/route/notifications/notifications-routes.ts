/** The routes of notifications, in the order of the API document. */

import { registerChangeNotificationPreferences } from './change-notification-preferences.ts'
import { registerCountUnreadNotifications } from './count-unread-notifications.ts'
import { registerListNotifications } from './list-notifications.ts'
import { registerMarkNotificationRead } from './mark-notification-read.ts'
import { registerMarkNotificationsRead } from './mark-notifications-read.ts'
import { registerReadNotificationPreferences } from './read-notification-preferences.ts'

export const notificationsRoutes = [
  registerListNotifications,
  registerCountUnreadNotifications,
  registerMarkNotificationRead,
  registerMarkNotificationsRead,
  registerReadNotificationPreferences,
  registerChangeNotificationPreferences,
]
