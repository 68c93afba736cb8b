/**
 * Who sees which event: the one place that says so. The events of the watcher's organization, but for those of another person, and of
 * them what was asked for. Ids of another organization are ids that do not exist: nothing ever matches them.
 */

import type { PublishedEvent } from '@sallyport/events'
import { eventTopics } from '@sallyport/fleet'

export interface EventFilter {
  readonly organizationId: string
  /** Who watches: what is for one person alone goes to that person. Absent for a program, which is no person. */
  readonly userId: string | undefined
  /** Exact topics, or with `.*` at the end a family of them. Empty: all. */
  readonly topics: readonly string[]
  /** Empty: all. Where devices and groups are both named, an event has to match one of each. */
  readonly deviceIds: readonly string[]
  readonly groupIds: readonly string[]
}

export function matches(filter: EventFilter, event: PublishedEvent): boolean {
  if (event.organizationId !== filter.organizationId) return false
  // One that should name its person and does not is nobody's.
  if (event.userId === undefined ? isPersonal(event.topic) : event.userId !== filter.userId) return false
  return (
    names(filter.deviceIds, event.deviceId) &&
    names(filter.groupIds, event.groupId) &&
    (filter.topics.length === 0 || filter.topics.some((topic) => isOf(event.topic, topic)))
  )
}

/** Topics that tell one person what is theirs: nobody needs a permission for them. */
export const isPersonal = (topic: string): boolean => topic.startsWith('notification.')

/** Every topic, and each family of them. */
export const topicFilters: readonly string[] = [
  ...eventTopics,
  ...new Set(eventTopics.map((topic) => `${topic.slice(0, topic.indexOf('.'))}.*`)),
]

const names = (ids: readonly string[], id: string | undefined): boolean =>
  ids.length === 0 || (id !== undefined && ids.includes(id))

const isOf = (topic: string, asked: string): boolean =>
  asked.endsWith('.*') ? topic.startsWith(asked.slice(0, -1)) : topic === asked
