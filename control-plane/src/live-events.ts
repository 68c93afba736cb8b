/**
 * Live events, fanned out from the Redis stream to the people who watch, with a window of recent ones for those who come
 * back (`Last-Event-ID`).
 *
 * Who sees what is decided here once: the events of the caller's organization, but for those of another person, and no others. What Redis lost is fetched
 * from the outbox; while Redis is away the feed is silent and catches up afterwards.
 */

import type { Logger } from '@sallyport/diagnostics'
import { type OutboxPort, type PublishedEvent, type RedisOptions, subscribeEvents } from '@sallyport/events'

export interface EventFilter {
  readonly organizationId: string
  /** Who watches: what is for one person alone goes to that person. */
  readonly userId: string
  /** Exact topics, or with `.*` at the end a family of them. Empty: all. */
  readonly topics: readonly string[]
  readonly deviceId: string | undefined
}

export interface LiveEvents {
  /**
   * Calls `onEvent` for each event from now on; before it, for each one after `lastEventId`. `complete` is false when that id
   * is no longer in the window: the watcher has to read the present state.
   */
  watch(
    filter: EventFilter,
    lastEventId: string | undefined,
    onEvent: (event: PublishedEvent) => void,
  ): { readonly complete: boolean; stop(): void }
  readonly watchers: number
  close(): Promise<void>
}

const windowSize = 2000
const replayedAtOnce = 1000

export function followEvents(options: {
  readonly redis: RedisOptions
  readonly outbox: Pick<OutboxPort, 'between'>
  readonly log: Logger
}): LiveEvents {
  const watchers = new Set<(event: PublishedEvent) => void>()
  const window: PublishedEvent[] = []
  const inWindow = new Set<string>()

  const deliver = (event: PublishedEvent): void => {
    if (inWindow.has(event.id)) return
    window.push(event)
    inWindow.add(event.id)
    if (window.length > windowSize) {
      const oldest = window.shift()
      if (oldest !== undefined) inWindow.delete(oldest.id)
    }
    for (const watcher of watchers) watcher(event)
  }
  const replay = async (after: number, before: number): Promise<void> => {
    for (let from = after; ; ) {
      const rows = await options.outbox.between(from, before, replayedAtOnce)
      for (const row of rows) deliver(row.event)
      const last = rows.at(-1)
      if (last === undefined || rows.length < replayedAtOnce) return
      from = last.sequence
    }
  }
  const subscription = subscribeEvents({
    redis: options.redis,
    log: options.log,
    onEvent: deliver,
    onGap: ({ after, before }) => {
      replay(after, before).catch((error: unknown) => {
        options.log.warn({ err: error }, 'events that Redis lost could not be read')
      })
    },
  })
  return {
    watch(filter, lastEventId, onEvent) {
      const position = lastEventId === undefined ? -1 : window.findIndex((event) => event.id === lastEventId)
      const complete = lastEventId === undefined || position >= 0
      if (position >= 0) for (const event of window.slice(position + 1)) if (matches(filter, event)) onEvent(event)
      const watcher = (event: PublishedEvent): void => {
        if (matches(filter, event)) onEvent(event)
      }
      watchers.add(watcher)
      return { complete, stop: () => watchers.delete(watcher) }
    },
    get watchers() {
      return watchers.size
    },
    close: () => subscription.close(),
  }
}

export function matches(filter: EventFilter, event: PublishedEvent): boolean {
  if (event.organizationId !== filter.organizationId) return false
  // One that should name its person and does not is nobody's.
  const isPersonal = event.userId !== undefined || event.topic.startsWith('notification.')
  if (isPersonal && event.userId !== filter.userId) return false
  if (filter.deviceId !== undefined && event.deviceId !== filter.deviceId) return false
  return (
    filter.topics.length === 0 ||
    filter.topics.some((topic) =>
      topic.endsWith('.*') ? event.topic.startsWith(topic.slice(0, -1)) : event.topic === topic,
    )
  )
}
