/** Which events a watcher asks for, as a query or a message says it, checked: a filter that means nothing is refused, not ignored. */

import { CodedError } from '@sallyport/errors'
import { topicFilters } from '../../event-filter.ts'

export interface AskedEvents {
  readonly topics: readonly string[]
  readonly deviceIds: readonly string[]
  readonly groupIds: readonly string[]
}

export const mostNamed = 100

/** @throws CodedError `validation-failed`, which names what is wrong. */
export function askedEvents(asked: {
  readonly topics?: readonly string[] | undefined
  readonly deviceIds?: readonly string[] | undefined
  readonly groupIds?: readonly string[] | undefined
}): AskedEvents {
  const topics = asked.topics ?? []
  const unknown = topics.find((topic) => !topicFilters.includes(topic))
  if (unknown !== undefined) throw new CodedError('validation-failed', `There is no topic ${unknown.slice(0, 64)}.`)
  return { topics, deviceIds: ids('device', asked.deviceIds), groupIds: ids('group', asked.groupIds) }
}

function ids(what: string, asked: readonly string[] = []): readonly string[] {
  if (asked.length > mostNamed)
    throw new CodedError('validation-failed', `At most ${mostNamed} ${what}s in one filter.`)
  return asked.map((id) => {
    if (uuid.test(id)) return id.toLowerCase()
    throw new CodedError('validation-failed', `The id of a ${what} is a UUID.`)
  })
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
