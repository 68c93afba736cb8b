/** What one person has been told of, and by which ways they want to be. Everything here is that person's own. */

import type { Instant } from '@sallyport/clock'
import type { ActContext } from './act.ts'
import type { NotificationKind, NotificationWays } from './notification-kinds.ts'
import type { Page, PageRequest } from './page.ts'

export interface NotificationRecord {
  readonly id: string
  readonly kind: NotificationKind
  /** By kind. */
  readonly data: unknown
  readonly createdAt: Instant
  readonly readAt?: Instant
}

export interface NotificationPreference extends NotificationWays {
  readonly kind: NotificationKind
}

export interface NotifiedPerson {
  readonly organizationId: string
  readonly userId: string
}

export interface PersonNotifications {
  /** The newest first. */
  list(
    person: NotifiedPerson,
    request: PageRequest & { readonly unread?: boolean | undefined },
  ): Promise<Page<NotificationRecord>>
  countUnread(person: NotifiedPerson): Promise<number>
  /** Once is enough. @throws CodedError `not-found` also for another person's. */
  markRead(person: NotifiedPerson, id: string, act: ActContext): Promise<void>
  /** @param until what came later was not seen yet. @returns how many were unread. */
  markAllRead(person: NotifiedPerson, until: Instant | undefined, act: ActContext): Promise<number>
  /** One for each kind there is. */
  preferences(person: NotifiedPerson): Promise<readonly NotificationPreference[]>
  /** @throws CodedError `validation-failed` for mail of a kind that is never mailed. */
  prefer(
    person: NotifiedPerson,
    preferences: readonly NotificationPreference[],
    act: ActContext,
  ): Promise<readonly NotificationPreference[]>
}
